/** Why a task failed. Each kind says whose fault it is, in TES's words, and what to do next. */
export const failureKinds = {
  'executor-failed': { tesState: 'EXECUTOR_ERROR', advice: 'Read its stdout and stderr.' },
  'input-unreadable': {
    tesState: 'SYSTEM_ERROR',
    advice: 'Check that the object exists and that the job role may read it.',
  },
  'output-unwritable': {
    tesState: 'SYSTEM_ERROR',
    advice: 'Check that the job role may write there.',
  },
  'output-missing': {
    tesState: 'EXECUTOR_ERROR',
    advice: 'The command ended well but did not write a declared output.',
  },
  'script-unreadable': {
    tesState: 'SYSTEM_ERROR',
    advice: 'Check that the job role may read the work bucket.',
  },
  'out-of-memory': { tesState: 'EXECUTOR_ERROR', advice: 'Ask for more ram_gb.' },
  'timed-out': { tesState: 'EXECUTOR_ERROR', advice: 'Ask for more time, or for less work.' },
  'host-lost': {
    tesState: 'SYSTEM_ERROR',
    advice: 'The hosts were taken away too often; try on-demand capacity.',
  },
  'image-unavailable': {
    tesState: 'SYSTEM_ERROR',
    advice: 'Check the image’s name and that the hosts may pull it.',
  },
  'batch-refused': {
    tesState: 'SYSTEM_ERROR',
    advice: 'AWS Batch would not take the job; its words say why.',
  },
  'result-missing': {
    tesState: 'SYSTEM_ERROR',
    advice: 'The container ended without a result record; read its log in Batch.',
  },
  internal: { tesState: 'SYSTEM_ERROR', advice: 'A defect in Batchwell; its log has the cause.' },
} as const satisfies Record<
  string,
  { tesState: 'EXECUTOR_ERROR' | 'SYSTEM_ERROR'; advice: string }
>;

export type FailureKind = keyof typeof failureKinds;

export interface Failure {
  kind: FailureKind;
  /** One sentence for a human: what, which and why. */
  sentence: string;
}
