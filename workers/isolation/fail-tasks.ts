/** Fails the tasks for which a stage throws. */
import type { Stage } from '../../core/places.ts';
import { failureOf, type Failure } from '../../core/retry/failures.ts';
import { describeError } from '../../core/isolation/whose-fault.ts';
import { inTransaction } from '../../db/client.ts';
import {
  failedTask,
  lockTasksAt,
  lockUnpacked,
  moveTasksEach,
  readOwners,
} from '../../db/tasks.ts';
import type { Nudge } from '../../queues/messages.ts';
import { countMoves } from '../../telemetry/metrics.ts';
import type { Runtime } from '../runtime.ts';
import { afterEnds, countFailures } from '../stages/fail-attempts.ts';
import { noteFailed } from './may-fail.ts';

export const failureAt = (stage: Stage, error: unknown): Failure =>
  failureOf(
    'internal',
    `Batchwell could not handle this task at ${stage}: ${describeError(error)}`,
  );

/** Says so where an operator looks. */
export function tellFailed(
  runtime: Runtime,
  stage: Stage,
  { taskIds, error }: { taskIds: readonly number[]; error: unknown },
): void {
  noteFailed(runtime, stage);
  runtime.metrics.isolated.inc({ stage, outcome: 'failed' }, taskIds.length);
  const stack = error instanceof Error ? error.stack : undefined;
  runtime.log.error({ stage, taskIds, error: describeError(error), stack }, 'task-isolated');
}

/** Those that are still at the stage. */
export async function failTasksAt(
  runtime: Runtime,
  stage: Stage,
  { taskIds, error }: { taskIds: readonly number[]; error: unknown },
): Promise<Nudge[]> {
  const failure = failureAt(stage, error);
  const failed = await inTransaction(runtime.database, async (session) => {
    const standing = [
      ...(stage === 'submit'
        ? await lockUnpacked(session, taskIds)
        : await lockTasksAt(session, stage, taskIds)),
    ];
    await moveTasksEach(
      session,
      'fail',
      standing.map((id) => {
        const task = failedTask(id, failure);
        // It has no outputs: it is no hit.
        return stage === 'finalize' ? { ...task, set: { ...task.set, hitEntryId: null } } : task;
      }),
      { nowMs: runtime.nowMs(), dueMs: null },
    );
    return standing;
  });
  if (failed.length === 0) return [];
  tellFailed(runtime, stage, { taskIds: failed, error });
  countMoves(runtime.metrics, stage, { fail: failed.length });
  const owners = await readOwners(runtime.database.pool, failed);
  countFailures(
    runtime,
    failed.map((id) => ({ owner: owners.get(id) ?? '', failure })),
  );
  return afterEnds(runtime, failed);
}
