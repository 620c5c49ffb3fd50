/** The exit codes of every command. */
export const exitCodes = {
  ok: 0,
  /**
   * The task, or a task of the scatter, failed or was cancelled; or a process of the stack exited.
   */
  failed: 1,
  /** Wrong usage, or input that was refused. */
  refused: 2,
  /** The service cannot be reached, or it does not work. */
  unreachable: 3,
  /** By convention of shells, for Ctrl-C. */
  interrupted: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitHelp = `
Exit codes:
  0    success
  1    a task failed or was cancelled, or a process of the stack exited
  2    wrong usage, or input that was refused; each problem is on its own line
  3    the service cannot be reached, or it does not work
  130  interrupted`;
