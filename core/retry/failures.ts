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
  'output-refused': {
    tesState: 'EXECUTOR_ERROR',
    advice: 'Correct the outputs of the task or the names of its files, then submit it again.',
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
  'host-fault': {
    tesState: 'SYSTEM_ERROR',
    advice:
      'Nothing is wrong with the task. Ask the operator to look at the hosts, then submit the task again.',
  },
  misconfigured: {
    tesState: 'SYSTEM_ERROR',
    advice: 'Ask the operator to correct what AWS reports, then submit the task again.',
  },
  'not-started': {
    tesState: 'SYSTEM_ERROR',
    advice: "Ask the operator to look at the job queue's compute environments.",
  },
  'job-terminated': {
    tesState: 'SYSTEM_ERROR',
    advice: 'Find out who ended the job and why, then submit the task again.',
  },
  'disk-full': {
    tesState: 'SYSTEM_ERROR',
    advice: 'Use a queue whose hosts have larger disks, or fewer tasks on each.',
  },
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

/**
 * @param fact what happened, as a whole sentence; its full stop may be missing
 * @param advice where the one of the kind does not fit what happened
 */
export const failureOf = (
  kind: FailureKind,
  fact: string,
  advice: string = failureKinds[kind].advice,
): Failure => ({
  kind,
  sentence: `${fact.replace(/\.$/, '')}. ${advice}`,
});
