import { each, HOUR_MS, list, MINUTE_MS, SECOND_MS, whole, type Section } from './setting.ts';

export const submitting = {
  heading: 'Packing and submitting',
  settings: {
    chunkSize: whole({
      variable: 'BATCHWELL_CHUNK_SIZE',
      fallback: 500,
      unit: 'tasks',
      range: [1, 1000],
      effect: 'Largest number of tasks in one queue message.',
    }),
    arraySize: whole({
      variable: 'BATCHWELL_ARRAY_SIZE',
      fallback: 10_000,
      unit: 'attempts',
      range: [1, 10_000],
      effect: 'Largest size of an array job.',
    }),
    packIdleMs: whole({
      variable: 'BATCHWELL_PACK_IDLE_MS',
      fallback: 200,
      unit: 'ms',
      range: [0, 60_000],
      effect: 'Attempts of one shape are packed when no other has arrived for this long.',
    }),
    packLongestMs: whole({
      variable: 'BATCHWELL_PACK_LONGEST_MS',
      fallback: 2 * SECOND_MS,
      unit: 'ms',
      range: [0, 600_000],
      effect: 'Longest time an attempt waits to be packed.',
    }),
    ownerLimit: whole({
      variable: 'BATCHWELL_OWNER_LIMIT',
      fallback: 0,
      unit: 'attempts',
      range: [0, 10_000_000],
      effect:
        'How many attempts of one owner can be in Batch at a time. The others wait at submit. 0 ' +
        'for no limit.',
    }),
    ownerLimits: list({
      variable: 'BATCHWELL_OWNER_LIMITS',
      effect: 'Limits for single owners, which replace the limit above. Each as owner=number.',
      check: each((entry) => /^[^=]+=\d{1,9}$/.test(entry), 'owner=number'),
    }),
    batchPerSecond: whole({
      variable: 'BATCHWELL_BATCH_PER_SECOND',
      fallback: 45,
      unit: 'requests/s',
      range: [1, 1000],
      effect:
        'Rate limit of the whole fleet for SubmitJob, and again for all other Batch requests ' +
        'together. AWS allows 50 SubmitJob requests per second.',
    }),
    submitTimeoutMs: whole({
      variable: 'BATCHWELL_SUBMIT_TIMEOUT_MS',
      fallback: 15 * SECOND_MS,
      unit: 'ms',
      range: [100, 600_000],
      effect:
        'Timeout of SubmitJob. After a timeout the fleet lists the job name to find out whether ' +
        'Batch accepted the job.',
    }),
    definitionLagMs: whole({
      variable: 'BATCHWELL_DEFINITION_LAG_MS',
      fallback: 10 * MINUTE_MS,
      unit: 'ms',
      range: [0, 24 * HOUR_MS],
      effect:
        'How long Batch may take to know a job definition that was just registered. After that ' +
        'it is registered again, up to 3 times; then its tasks fail.',
    }),
    deniedWaitMs: whole({
      variable: 'BATCHWELL_DENIED_WAIT_MS',
      fallback: 72 * HOUR_MS,
      unit: 'ms',
      range: [0, 30 * 24 * HOUR_MS],
      effect:
        'How long a task waits while AWS denies what is needed to submit it, such as a ' +
        'permission, or while its job queue is disabled. Then it fails. 0 for without end.',
    }),
    settleMs: whole({
      variable: 'BATCHWELL_SETTLE_MS',
      fallback: 5 * SECOND_MS,
      unit: 'ms',
      range: [0, 600_000],
      effect: 'How long a job that was just submitted can be missing from the job lists of Batch.',
    }),
  },
} satisfies Section;
