import type { Registry } from 'prom-client';
import { runSpans } from '../../core/fleet/spans.ts';
import { histogram, SPAN_BUCKETS_S, withLabel } from '../series.ts';

/** How long tasks take. */
export const spanMetrics = (registers: Registry[]) => ({
  taskSeconds: histogram({
    name: 'batchwell_task_seconds',
    help: 'Time from the acceptance of a task to its end.',
    labels: ['place'],
    buckets: SPAN_BUCKETS_S,
    registers,
  }),
  taskSpanSeconds: histogram({
    name: 'batchwell_task_span_seconds',
    help:
      'Spans of the timeline of tasks that ran: accepted, submitted, started, ended, seen, done. ' +
      'Times from inside a container are by the clock of its host.',
    labels: ['span'],
    startsAt: withLabel('span', runSpans),
    buckets: SPAN_BUCKETS_S,
    registers,
  }),
});
