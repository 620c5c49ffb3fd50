/**
 * Why a task failed. Each kind says whose fault it is, in TES's words, and what to do next. Beside
 * it, the retry rule is in decide-retry.ts.
 */
export const failureKinds = {
  'executor-failed': {
    tesState: 'EXECUTOR_ERROR',
    advice: "Read the task's stdout and stderr.",
  },
  'same-call-failed': {
    tesState: 'EXECUTOR_ERROR',
    advice: 'Read the stdout and stderr of that task.',
  },
  'input-unreadable': {
    tesState: 'SYSTEM_ERROR',
    advice: 'Check that the object exists and that the job role can read it.',
  },
  'output-unwritable': {
    tesState: 'SYSTEM_ERROR',
    advice: "Check that the job role can write to the output's URL.",
  },
  'copy-refused': {
    tesState: 'SYSTEM_ERROR',
    advice:
      "Check the output's URL and that the workers' role can write to it, then submit the task again.",
  },
  'output-missing': {
    tesState: 'EXECUTOR_ERROR',
    advice: 'Check that the command writes every declared output.',
  },
  'script-unreadable': {
    tesState: 'SYSTEM_ERROR',
    advice: 'Check that the job role can read the work bucket.',
  },
  'out-of-memory': { tesState: 'EXECUTOR_ERROR', advice: 'Request more ram_gb.' },
  'timed-out': {
    tesState: 'EXECUTOR_ERROR',
    advice: 'Raise the time limit, or give the task less work.',
  },
  'host-lost': { tesState: 'SYSTEM_ERROR', advice: 'Use on-demand capacity.' },
  'image-unavailable': {
    tesState: 'SYSTEM_ERROR',
    advice: "Check the image's name and that the hosts can pull it.",
  },
  'batch-refused': {
    tesState: 'SYSTEM_ERROR',
    advice: 'Correct what AWS Batch reports, then submit the task again.',
  },
  'permission-missing': {
    tesState: 'SYSTEM_ERROR',
    advice: 'Ask an operator to correct it, then submit the task again.',
  },
  'result-missing': {
    tesState: 'SYSTEM_ERROR',
    advice: "Read the container's log in AWS Batch.",
  },
  internal: {
    tesState: 'SYSTEM_ERROR',
    advice: "This is a defect in Batchwell. Read the worker's log for the cause.",
  },
} as const satisfies Record<
  string,
  { tesState: 'EXECUTOR_ERROR' | 'SYSTEM_ERROR'; advice: string }
>;

export type FailureKind = keyof typeof failureKinds;

export interface Failure {
  kind: FailureKind;
  /** For a human, in two sentences: what happened, then what to do next. */
  sentence: string;
}

/** @param fact what happened, as a whole sentence; its full stop may be missing */
export const failureOf = (kind: FailureKind, fact: string): Failure => ({
  kind,
  sentence: `${fact.replace(/\.$/, '')}. ${failureKinds[kind].advice}`,
});
