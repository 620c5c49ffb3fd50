/** Ends attempts and tasks that cannot go on. */
import type { Failure } from '../../core/retry/failures.ts';
import { configuredQueues } from '../../core/submission/on-demand.ts';
import { judgeBatchRefusal } from '../../core/submission/batch-refusal.ts';
import type { Unaccepted } from '../../core/submission/decide-submit.ts';
import { endAttempts, readOpenAttempts, type OpenAttempt } from '../../db/attempts.ts';
import { landFlights } from '../../db/cache-flights.ts';
import { inTransaction } from '../../db/client.ts';
import { endSubmissions, type SubmissionRow } from '../../db/submissions.ts';
import { failedTask, moveTasksEach } from '../../db/tasks.ts';
import { taskNudges, type Nudge } from '../../queues/messages.ts';
import { countMoves } from '../../telemetry/metrics.ts';
import { logScatterEnds } from './submission-lines.ts';
import type { Runtime } from '../runtime.ts';

/** Batch rejected the job, in AWS's own words. */
export const refusedByBatch = (
  { config }: Runtime,
  { submissionKey, queue }: Pick<SubmissionRow, 'submissionKey' | 'queue'>,
  refusal: Pick<Unaccepted, 'because' | 'message'>,
): Failure =>
  judgeBatchRefusal(
    {
      submissionKey,
      queue,
      isFleetsQueue: configuredQueues(config).includes(queue),
      sharesAll: config.share !== '',
    },
    refusal,
  );

/** All of its tasks fail. */
export async function failSubmission(
  runtime: Runtime,
  submission: SubmissionRow,
  failure: Failure,
): Promise<Nudge[]> {
  const nowMs = runtime.nowMs();
  const attempts = await readOpenAttempts(runtime.database.pool, [submission.id]);
  const failed = await inTransaction(runtime.database, async (session) => {
    await endAttempts(
      session,
      attempts.map(({ taskId, number, submissionId, place }) => ({
        taskId,
        number,
        submissionId,
        outcome: place === 'cancelled' ? 'cancelled' : 'failed',
        reason: failure.sentence,
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
  countMoves(runtime.metrics, 'submit', { fail: failed });
  countFailures(
    runtime,
    attempts.map(() => ({ owner: submission.owner, failure })),
  );
  return afterEnds(
    runtime,
    attempts.map(({ taskId }) => taskId),
  );
}

/** All tasks of a submission were cancelled before it reached Batch. */
export async function dropCancelled(
  runtime: Runtime,
  submission: SubmissionRow,
  attempts: readonly OpenAttempt[],
): Promise<void> {
  const nowMs = runtime.nowMs();
  await inTransaction(runtime.database, async (session) => {
    await endAttempts(
      session,
      attempts.map(({ taskId, number, submissionId }) => ({
        taskId,
        number,
        submissionId,
        outcome: 'cancelled',
      })),
      nowMs,
    );
    await endSubmissions(session, [submission.id], nowMs);
  });
}

/** Equal tasks that waited for ended ones go on. */
export async function afterEnds(runtime: Runtime, taskIds: readonly number[]): Promise<Nudge[]> {
  const next = taskNudges(
    'cache-check',
    await landFlights(runtime.database.pool, taskIds),
    runtime.config.chunkSize,
  );
  await logScatterEnds(runtime, taskIds);
  return next;
}

interface OwnedFailure {
  owner: string;
  failure: Failure;
}

export function countFailures(runtime: Runtime, failures: readonly OwnedFailure[]): void {
  for (const { owner, failure } of failures) {
    runtime.metrics.failures.inc({ reason: failure.kind });
    runtime.usage.add(`failed:${failure.kind}`, owner, 1);
  }
  runtime.metrics.tasksEnded.inc({ place: 'failed' }, failures.length);
}
