import { SECOND_MS, text, whole, type Section } from './setting.ts';

export const polling = {
  heading: 'Polling Batch',
  settings: {
    pollMs: whole({
      variable: 'BATCHWELL_POLL_MS',
      fallback: SECOND_MS,
      unit: 'ms',
      range: [50, 600_000],
      effect: 'Time between two polls of a job queue while its jobs change.',
    }),
    pollSlowestMs: whole({
      variable: 'BATCHWELL_POLL_SLOWEST_MS',
      fallback: 30 * SECOND_MS,
      unit: 'ms',
      range: [50, 600_000],
      effect: 'Longest time between two polls of a job queue whose jobs do not change.',
    }),
    jobEventsUrl: text({
      variable: 'BATCHWELL_JOB_EVENTS_URL',
      fallback: '',
      effect:
        'URL of an SQS queue that receives the job events of Batch from EventBridge. A job ' +
        'queue is then polled when an event arrives, and otherwise every ' +
        'BATCHWELL_POLL_SLOWEST_MS. No events when empty.',
    }),
  },
} satisfies Section;
