import type { Registry } from 'prom-client';
import { counter, withLabel } from '../series.ts';

const prunedRows = [
  'tasks',
  'submissions',
  'scatters',
  'templates',
  'shapes',
  'job-definitions',
  'entries-retired',
  'entries',
  'outputs',
  'fingerprints',
  'object-sums',
  'image-digests',
] as const;
export type PrunedRows = (typeof prunedRows)[number];

export const pruningMetrics = (registers: Registry[]) => ({
  prunedRows: counter({
    name: 'batchwell_pruned_rows_total',
    help: 'Rows that were kept for longer than the retention settings say, and deleted; retired entries stay for a while.',
    labels: ['what'],
    startsAt: withLabel('what', prunedRows),
    registers,
  }),
});
