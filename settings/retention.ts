import { HOUR_MS, SECOND_MS, whole, type Section } from './setting.ts';

export const retention = {
  heading: 'Retention',
  settings: {
    idempotencyMs: whole({
      variable: 'BATCHWELL_IDEMPOTENCY_MS',
      fallback: 7 * 24 * HOUR_MS,
      unit: 'ms',
      range: [60 * SECOND_MS, 365 * 24 * HOUR_MS],
      effect: 'How long a request with an Idempotency-Key is remembered.',
    }),
    keepChangesMs: whole({
      variable: 'BATCHWELL_KEEP_CHANGES_MS',
      fallback: 24 * HOUR_MS,
      unit: 'ms',
      range: [60 * SECOND_MS, 30 * 24 * HOUR_MS],
      effect:
        'How long events are kept for clients that were disconnected and ask for what they missed.',
    }),
    keepTasksMs: whole({
      variable: 'BATCHWELL_KEEP_TASKS_MS',
      fallback: 90 * 24 * HOUR_MS,
      unit: 'ms',
      range: [0, 100 * 365 * 24 * HOUR_MS],
      effect:
        'How long ended tasks are kept, with their attempts, tags, scatters, submissions and ' +
        'templates. Not less than idempotency keys and events are. 0 for ever.',
    }),
    keepEntriesMs: whole({
      variable: 'BATCHWELL_KEEP_ENTRIES_MS',
      fallback: 0,
      unit: 'ms',
      range: [0, 100 * 365 * 24 * HOUR_MS],
      effect: 'How long cache entries give hits after their last use. 0 for ever.',
    }),
    keepSumsMs: whole({
      variable: 'BATCHWELL_KEEP_SUMS_MS',
      fallback: 365 * 24 * HOUR_MS,
      unit: 'ms',
      range: [0, 100 * 365 * 24 * HOUR_MS],
      effect:
        'How long checksums of objects that tasks read or wrote are remembered. Forgetting one ' +
        'costs a request to S3, or at most a cache miss. 0 for ever.',
    }),
    pruneMs: whole({
      variable: 'BATCHWELL_PRUNE_MS',
      fallback: HOUR_MS,
      unit: 'ms',
      range: [0, 7 * 24 * HOUR_MS],
      effect: 'Time between two searches for what is kept for too long. 0 for never.',
    }),
    keepFinishedMs: whole({
      variable: 'BATCHWELL_KEEP_FINISHED_MS',
      fallback: HOUR_MS,
      unit: 'ms',
      range: [0, 30 * 24 * HOUR_MS],
      effect: 'How long the queue board shows finished messages.',
    }),
  },
} satisfies Section;
