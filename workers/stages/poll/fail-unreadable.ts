/** A submission whose job has ended and that poll cannot read. */
import { readOpenAttempts } from '../../../db/attempts.ts';
import type { SubmissionRow } from '../../../db/submissions.ts';
import type { Nudge } from '../../../queues/messages.ts';
import { failureAt, tellFailed } from '../../isolation/fail-tasks.ts';
import type { Runtime } from '../../runtime.ts';
import { applyPolled } from './apply.ts';

/** Its tasks fail; those that were cancelled stay so. */
export async function failUnreadable(
  runtime: Runtime,
  { id }: SubmissionRow,
  error: unknown,
): Promise<Nudge[]> {
  const attempts = await readOpenAttempts(runtime.database.pool, [id]);
  const failure = failureAt('poll', error);
  tellFailed(runtime, 'poll', { taskIds: attempts.map(({ taskId }) => taskId), error });
  return applyPolled(
    runtime,
    attempts.map((attempt) => ({ attempt, decision: { do: 'fail', failure }, result: undefined })),
  );
}
