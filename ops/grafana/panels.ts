/**
 * This folder holds the dashboard as data, one file per row in rows/: `npm run generate` writes
 * Grafana's JSON from it. Every process reports the depth of every queue, so depths are a `max`.
 * Counters belong to their process, so they are a `sum`.
 */
import type { Row } from './panel.ts';
import { aws } from './rows/aws.ts';
import { batch } from './rows/batch.ts';
import { cache } from './rows/cache.ts';
import { failures } from './rows/failures.ts';
import { notifications } from './rows/notifications.ts';
import { processes } from './rows/processes.ts';
import { queues } from './rows/queues.ts';
import { throughput } from './rows/throughput.ts';

/** In the order of the dashboard. */
export const rows: readonly Row[] = [
  throughput,
  queues,
  aws,
  cache,
  batch,
  failures,
  notifications,
  processes,
];
