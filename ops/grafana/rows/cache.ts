import { rate, type Row } from '../panel.ts';

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
      unit: 'ops',
      width: 6,
      stacked: true,
      description:
        'Decisions per second. `wait`: the same call is in flight. `fail`: it was, and its ' +
        'command failed, so the task fails with it. `unreadable-input`: an input ' +
        'does not exist or the workers have no access to it, so the task runs and reports the ' +
        'error itself. `image-not-resolved`: the registry did not give the digest of the image, ' +
        'so the task runs uncached.',
      queries: [
        {
          expression: `sum by (result) (${rate('batchwell_cache_lookups_total')})`,
          legend: '{{result}}',
        },
      ],
    },
    {
      title: 'Runs not kept',
      unit: 'ops',
      width: 6,
      stacked: true,
      description:
        'Successful runs per second whose outputs the cache does not keep, although the cache is ' +
        'on. `output-missing`: a declared output was not written. `executor-failed`: a failure ' +
        'was ignored. `client-failed`: the client takes the run for a failed one. ' +
        '`input-changed`: an input was overwritten before the run read it.',
      queries: [
        {
          expression: `sum by (result) (${rate('batchwell_cache_runs_total', '{result!~"kept|off"}')})`,
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
        'by task name.',
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
      description: 'Outputs that were copied within S3 to the URLs of cache hits.',
      queries: [
        {
          expression: `sum(${rate('batchwell_cache_copied_bytes_total')})`,
          legend: 'copied',
        },
      ],
    },
    {
      title: 'Entries invalidated',
      unit: 'ops',
      width: 6,
      description:
        'Cache entries per second whose outputs were missing; their tasks run again. If there ' +
        'are many, a user or a lifecycle rule of the bucket deletes or overwrites outputs that ' +
        'the cache refers to.',
      queries: [
        {
          expression: `sum(${rate('batchwell_cache_invalidations_total')})`,
          legend: 'invalidated',
        },
      ],
    },
    {
      title: 'Requests to image registries',
      unit: 'reqps',
      width: 8,
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
      width: 8,
      stacked: true,
      description:
        'Rows deleted per hour because they were kept for longer than the retention settings say. ' +
        '`entries-retired`: entries that give no more hits, and are deleted later.',
      queries: [
        {
          expression: 'sum by (what) (increase(batchwell_pruned_rows_total[1h]))',
          legend: '{{what}}',
        },
      ],
    },
  ],
};
