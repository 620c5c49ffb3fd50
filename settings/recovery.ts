import { HOUR_MS, SECOND_MS, whole, type Section } from './setting.ts';

export const recovery = {
  heading: 'Retries and recovery',
  settings: {
    hostLossTries: whole({
      variable: 'BATCHWELL_HOST_LOSS_TRIES',
      fallback: 5,
      unit: 'retries',
      range: [0, 100],
      effect:
        'How many times a task is retried after its host is lost, for example by a spot ' +
        'interruption. These retries do not count as failures.',
    }),
    hostFaultTries: whole({
      variable: 'BATCHWELL_HOST_FAULT_TRIES',
      fallback: 8,
      unit: 'retries',
      range: [0, 100],
      effect:
        'How many times a task is retried after a host fails to run it, for example because its ' +
        'disk is full or its log driver is throttled. These retries do not count as failures.',
    }),
    hostFaultPauseMs: whole({
      variable: 'BATCHWELL_HOST_FAULT_PAUSE_MS',
      fallback: 2 * SECOND_MS,
      unit: 'ms',
      range: [0, 60 * SECOND_MS],
      effect:
        'How long a task waits after the first host that failed to run it. The wait doubles with ' +
        'each further one, up to a minute.',
    }),
    memoryGrowthTries: whole({
      variable: 'BATCHWELL_MEMORY_GROWTH_TRIES',
      fallback: 2,
      unit: 'retries',
      range: [0, 10],
      effect: 'How many times a task that ran out of memory is retried with double the memory.',
    }),
    transientTries: whole({
      variable: 'BATCHWELL_TRANSIENT_TRIES',
      fallback: 3,
      unit: 'retries',
      range: [0, 100],
      effect:
        'How many times a task is retried after a transient error while its image or its files ' +
        'were fetched.',
    }),
    lockMs: whole({
      variable: 'BATCHWELL_LOCK_MS',
      fallback: 30 * SECOND_MS,
      unit: 'ms',
      range: [500, HOUR_MS],
      effect: 'After this time a queue message of a worker that died goes to another worker.',
    }),
    messageRetryMs: whole({
      variable: 'BATCHWELL_MESSAGE_RETRY_MS',
      fallback: 500,
      unit: 'ms',
      range: [10, HOUR_MS],
      effect:
        'Pause before a queue message whose stage threw an error is processed again. It doubles at ' +
        'each of the four retries.',
    }),
    stallMs: whole({
      variable: 'BATCHWELL_STALL_MS',
      fallback: 60 * SECOND_MS,
      unit: 'ms',
      range: [500, HOUR_MS],
      effect: 'After this time without progress, a task or submission gets a new queue message.',
    }),
    sweepMs: whole({
      variable: 'BATCHWELL_SWEEP_MS',
      fallback: 5 * SECOND_MS,
      unit: 'ms',
      range: [100, HOUR_MS],
      effect: 'Time between two searches for tasks and submissions without progress.',
    }),
    leaseMs: whole({
      variable: 'BATCHWELL_LEASE_MS',
      fallback: 10 * SECOND_MS,
      unit: 'ms',
      range: [10, HOUR_MS],
      effect:
        'Time between two renewals of the lease in the work bucket, by which only one database ' +
        'acts for an installation. A copy of the database notices within about this time that it ' +
        'is one, and stops.',
    }),
    janitorMs: whole({
      variable: 'BATCHWELL_JANITOR_MS',
      fallback: 600 * SECOND_MS,
      unit: 'ms',
      range: [0, 24 * HOUR_MS],
      effect:
        'Time between two searches for Batch jobs that no submission needs. Such jobs are ' +
        'terminated once they are older than this. 0 for never.',
    }),
  },
} satisfies Section;
