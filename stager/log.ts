/**
 * The stager's own log: one JSON object per line on stdout, which CloudWatch shows in the job's log
 * stream.
 */
export type Log = (event: StagerEvent, fields?: Record<string, string | number>) => void;

type StagerEvent =
  | 'task_started'
  | 'start_not_written'
  | 'inputs_fetched'
  | 'executor_ended'
  | 'processes_ended'
  | 'outputs_written'
  | 'task_ended'
  | 'task_fenced'
  | 'task_recorded_before'
  | 'task_terminated'
  | 'log_not_written'
  | 'live_log_not_written'
  | 'waits_for_room'
  | 'stager_failed';

export const logToStdout: Log = (event, fields = {}) =>
  void process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
