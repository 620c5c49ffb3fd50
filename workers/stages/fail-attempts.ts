/** Ends attempts and tasks that cannot go on. */
import type { Failure } from '../../core/retry/failures.ts';
import { failureKinds } from '../../core/retry/failures.ts';
import { endAttempts, readOpenAttempts, type OpenAttempt } from '../../db/attempts.ts';
import { landFlights } from '../../db/call-cache.ts';
import { inTransaction } from '../../db/client.ts';
import { endSubmissions, type SubmissionRow } from '../../db/submissions.ts';
import { failedTask, moveTasksEach } from '../../db/tasks.ts';
import { taskNudges, type Nudge } from '../../queues/messages.ts';
import { countMoves } from '../../telemetry/metrics.ts';
import type { Fleet } from '../fleet.ts';

/** Batch would not take the job: its tasks fail with Batch's own words. */
export async function failSubmission(
  fleet: Fleet,
  submission: SubmissionRow,
  words: string,
): Promise<Nudge[]> {
  const failure: Failure = {
    kind: 'batch-refused',
    sentence: `AWS Batch refused submission ${submission.submissionKey} to queue ${submission.queue}: ${words.replace(/\.$/, '')}. ${failureKinds['batch-refused'].advice}`,
  };
  const nowMs = fleet.nowMs();
  const attempts = await readOpenAttempts(fleet.database.pool, [submission.id]);
  const failed = await inTransaction(fleet.database, async (session) => {
    await endAttempts(
      session,
      attempts.map(({ taskId, number, place }) => ({
        taskId,
        number,
        outcome: place === 'cancelled' ? 'cancelled' : 'failed',
        reason: words,
      })),
      nowMs,
    );
    const moved = await moveTasksEach(
      session,
      'fail',
      attempts.map(({ taskId }) => failedTask(taskId, failure)),
      { nowMs, dueMs: null },
    );
    await endSubmissions(session, [submission.id], nowMs);
    return moved;
  });
  countMoves(fleet.metrics, 'submit', { fail: failed });
  countFailures(
    fleet,
    attempts.map(() => failure),
  );
  return afterEnds(
    fleet,
    attempts.map(({ taskId }) => taskId),
  );
}

/** All tasks of a submission were cancelled before Batch heard of it. */
export async function dropCancelled(
  fleet: Fleet,
  submission: SubmissionRow,
  attempts: readonly OpenAttempt[],
): Promise<void> {
  const nowMs = fleet.nowMs();
  await inTransaction(fleet.database, async (session) => {
    await endAttempts(
      session,
      attempts.map(({ taskId, number }) => ({ taskId, number, outcome: 'cancelled' })),
      nowMs,
    );
    await endSubmissions(session, [submission.id], nowMs);
  });
}

/** What ended tasks owe to others: equal calls that waited for them go on. */
export async function afterEnds(fleet: Fleet, taskIds: readonly number[]): Promise<Nudge[]> {
  return taskNudges(
    'cache-check',
    await landFlights(fleet.database.pool, taskIds),
    fleet.config.chunkSize,
  );
}

export function countFailures(fleet: Fleet, failures: readonly Failure[]): void {
  for (const { kind } of failures) fleet.metrics.failures.inc({ reason: kind });
  fleet.metrics.tasksEnded.inc({ place: 'failed' }, failures.length);
}
