import { rate, type Row } from '../panel.ts';

export const cache: Row = {
  title: 'Call cache',
  panels: [
    {
      title: 'Hit ratio',
      unit: 'percentunit',
      width: 8,
      description:
        'Hits among decisions that had the cache on. Low on a run that should hit: `batchwell cache explain TASK OTHER` tells which part of the fingerprint differs.',
      queries: [
        {
          expression: `sum(${rate('batchwell_cache_lookups_total', '{result="hit"}')}) / sum(${rate('batchwell_cache_lookups_total', '{result=~"hit|miss|unreadable-input"}')})`,
          legend: 'hits',
        },
      ],
    },
    {
      title: 'Decisions',
      unit: 'ops',
      width: 8,
      stacked: true,
      description:
        'Decisions/s. `wait`: the same call is in flight. `unreadable-input`: an input is not there or may not be read by the workers, so the task runs and says so itself.',
      queries: [
        {
          expression: `sum by (result) (${rate('batchwell_cache_lookups_total')})`,
          legend: '{{result}}',
        },
      ],
    },
    {
      title: 'Entries invalidated',
      unit: 'ops',
      width: 8,
      description:
        'Entries/s found without their outputs. Many: somebody, or a lifecycle rule of the bucket, deletes or rewrites outputs that the cache points at. The tasks run anew.',
      queries: [
        {
          expression: `sum(${rate('batchwell_cache_invalidations_total')})`,
          legend: 'invalidated',
        },
      ],
    },
  ],
};
