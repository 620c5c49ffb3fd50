/** How an attempt can end. `lost` is the fault of the host, a registry or S3, and does not count as a failure of the task. */
export const attemptOutcomes = ['succeeded', 'failed', 'lost', 'cancelled'] as const;
export type AttemptOutcome = (typeof attemptOutcomes)[number];
