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
    keepFinishedMs: whole({
      variable: 'BATCHWELL_KEEP_FINISHED_MS',
      fallback: HOUR_MS,
      unit: 'ms',
      range: [0, 30 * 24 * HOUR_MS],
      effect: 'How long the queue board shows finished messages.',
    }),
  },
} satisfies Section;
