import { counts, rate, type Row } from '../panel.ts';

export const cache: Row = {
  title: 'Call cache',
  panels: [
    {
      title: 'Hit ratio',
      unit: 'percentunit',
      width: 6,
      description:
        'Share of hits among the decisions with the cache on. If it is low in a run that should ' +
        'hit, `batchwell cache explain TASK OTHER` shows which part of the fingerprint differs.',
      queries: [
        {
          expression: `sum(${rate('batchwell_cache_lookups_total', '{result="hit"}')}) / sum(${rate('batchwell_cache_lookups_total', '{result=~"hit|miss|unreadable-input|image-not-resolved"}')})`,
          legend: 'hits',
        },
      ],
    },
    {
      title: 'Decisions',
      unit: 'short',
      draw: 'bars',
      width: 6,
      stacked: true,
      description:
        'Decisions. `wait`: the same call is in flight. `fail`: it was, and its ' +
        'command failed, so the task fails with it. `unreadable-input`: an input ' +
        'does not exist or the workers have no access to it, so the task runs and reports the ' +
        'error itself. `image-not-resolved`: the registry did not give the digest of the image, ' +
        'so the task runs uncached.' +
        ' If one of these grows, look at `batchwell cache explain TASK`.',
      queries: [
        {
          expression: `sum by (result) (${counts('batchwell_cache_lookups_total')})`,
          legend: '{{result}}',
        },
      ],
    },
    {
      title: 'Runs not kept',
      unit: 'short',
      draw: 'bars',
      width: 6,
      stacked: true,
      description:
        'Successful runs whose outputs the cache does not keep, although the cache is ' +
        'on. `output-missing`: a declared output was not written. `executor-failed`: a failure ' +
        'was ignored. `client-failed`: the client takes the run for a failed one. ' +
        '`input-changed`: an input was overwritten before the run read it.' +
        ' If it is not 0, tell the owner of the tasks what the cache leaves out.',
      queries: [
        {
          expression: `sum by (result) (${counts('batchwell_cache_runs_total', '{result!~"kept|off"}')})`,
          legend: '{{result}}',
        },
      ],
    },
    {
      title: 'vCPU-hours saved per hour',
      unit: 'short',
      width: 8,
      description:
        'What the runs would have taken that cache hits replaced. `batchwell cache stats` shows it ' +
        'by task name.' +
        ' If it is 0 with many hits, the cached tasks are short.',
      queries: [
        {
          expression: `sum(${rate('batchwell_cache_saved_vcpu_seconds_total')})`,
          legend: 'vCPU',
        },
        {
          expression: `sum(${rate('batchwell_cache_saved_gib_seconds_total')})`,
          legend: 'GiB',
        },
      ],
    },
    {
      title: 'Bytes copied for hits, per second',
      unit: 'bytes',
      width: 8,
      description:
        'Outputs that were copied within S3 to the URLs of cache hits.' +
        ' If copies are slow or cost too much, set BATCHWELL_CACHE_HIT to reference.',
      queries: [
        {
          expression: `sum(${rate('batchwell_cache_copied_bytes_total')})`,
          legend: 'copied',
        },
      ],
    },
    {
      title: 'Entries invalidated',
      unit: 'short',
      draw: 'bars',
      width: 6,
      description:
        'Cache entries whose outputs were missing; their tasks run again. If there ' +
        'are many, a user or a lifecycle rule of the bucket deletes or overwrites outputs that ' +
        'the cache refers to.',
      queries: [
        {
          expression: `sum(${counts('batchwell_cache_invalidations_total')})`,
          legend: 'invalidated',
        },
      ],
    },
  ],
};

export const cacheUpkeep: Row = {
  title: 'Image registries and retention',
  collapsed: true,
  panels: [
    {
      title: 'Requests to image registries',
      unit: 'reqps',
      width: 12,
      description:
        'Requests per second for the digests of images, by HTTP status. 401 is normal before a ' +
        'token. If tasks run uncached because of `image-not-resolved`, the log of the workers ' +
        'names the image and the reason.',
      queries: [
        {
          expression: `sum by (operation, code) (${rate('batchwell_registry_requests_total')})`,
          legend: '{{operation}} {{code}}',
        },
      ],
    },
    {
      title: 'Rows pruned',
      unit: 'short',
      width: 12,
      stacked: true,
      description:
        'Rows deleted per hour because they were kept for longer than the retention settings say. ' +
        '`entries-retired`: entries that give no more hits, and are deleted later.' +
        ' If it is 0 while the database grows, see "The database grows" in the runbook.',
      queries: [
        {
          expression: 'sum by (what) (increase(batchwell_pruned_rows_total[1h]))',
          legend: '{{what}}',
        },
      ],
    },
  ],
};
