/** Submissions for which submit throws. */
import { dueAfter } from '../../../core/stall.ts';
import { append } from '../../../core/append.ts';
import { failureAt, tellFailed } from '../../isolation/fail-tasks.ts';
import { inTransaction } from '../../../db/client.ts';
import { endAttempts, readOpenAttempts } from '../../../db/attempts.ts';
import { unpackTasks, lockUncalled } from '../../../db/packing.ts';
import { endSubmissions, readSubmissions, type SubmissionRow } from '../../../db/submissions.ts';
import { failedTask, moveTasksEach } from '../../../db/tasks.ts';
import type { Nudge } from '../../../queues/messages.ts';
import { countMoves } from '../../../telemetry/metrics.ts';
import type { Runtime } from '../../runtime.ts';
import { afterEnds, countFailures, failSubmission } from '../fail-attempts.ts';
import { claimOwner, NO_JOB } from './owner.ts';
import { findUnwritable } from './write-manifest.ts';

/**
 * Fails the tasks that no manifest can hold; the others are packed again. Where no single task is at fault, all of the
 * submission fail.
 */
export async function failStuck(
  runtime: Runtime,
  ids: readonly number[],
  error: unknown,
): Promise<Nudge[]> {
  const next: Nudge[] = [];
  for (const submission of await readSubmissions(runtime.database.pool, ids)) {
    if (submission.state !== 'packed' && submission.state !== 'calling') continue;
    const bad = submission.calls === 0 ? await findUnwritable(runtime, submission) : new Map();
    append(
      next,
      bad.size > 0 && bad.size < submission.size
        ? await dissolve(runtime, submission, bad)
        : await failWhole(runtime, submission, error),
    );
  }
  return next;
}

/** A call may have reached Batch: with an owner that no job has, its containers change nothing. */
async function failWhole(
  runtime: Runtime,
  submission: SubmissionRow,
  error: unknown,
): Promise<Nudge[]> {
  if (submission.calls > 0) {
    const owner = await claimOwner(runtime, submission, NO_JOB);
    if (owner !== NO_JOB) throw error;
  }
  const attempts = await readOpenAttempts(runtime.database.pool, [submission.id]);
  tellFailed(runtime, 'submit', { taskIds: attempts.map(({ taskId }) => taskId), error });
  return failSubmission(runtime, submission, failureAt('submit', error));
}

/** @param bad the tasks at fault, with their errors */
async function dissolve(
  runtime: Runtime,
  submission: SubmissionRow,
  bad: ReadonlyMap<number, unknown>,
): Promise<Nudge[]> {
  const nowMs = runtime.nowMs();
  const failures = new Map([...bad].map(([id, error]) => [id, failureAt('submit', error)]));
  const failed = await inTransaction(runtime.database, async (session) => {
    // Another worker may have called SubmitJob by now.
    if (!(await lockUncalled(session, submission.id))) return undefined;
    const attempts = await readOpenAttempts(session, [submission.id]);
    await endAttempts(
      session,
      attempts.map(({ taskId, number, submissionId, place }) => ({
        taskId,
        number,
        submissionId,
        outcome: place === 'cancelled' ? 'cancelled' : failures.has(taskId) ? 'failed' : 'lost',
        reason:
          failures.get(taskId)?.sentence ??
          'Another task of its submission could not be submitted. It was packed again.',
      })),
      nowMs,
    );
    const moved = await moveTasksEach(
      session,
      'fail',
      [...failures].map(([id, failure]) => failedTask(id, failure)),
      { nowMs, dueMs: null },
    );
    await unpackTasks(session, submission.id, dueAfter(nowMs, runtime.config.stallMs));
    await endSubmissions(session, [submission.id], nowMs);
    return moved;
  });
  if (failed === undefined) return [];
  for (const [taskId, error] of bad) tellFailed(runtime, 'submit', { taskIds: [taskId], error });
  countMoves(runtime.metrics, 'submit', { fail: failed });
  countFailures(
    runtime,
    [...failures.values()].map((failure) => ({ owner: submission.owner, failure })),
  );
  return [
    { stage: 'submit', message: { shape: submission.shape } },
    ...(await afterEnds(runtime, [...bad.keys()])),
  ];
}
