/** Cancels tasks and nudges the workers that must act on it. */
import { cancelTasks } from '../../db/cancel.ts';
import { taskNudges } from '../../queues/messages.ts';
import type { NudgeSender } from '../intake/nudge-sender.ts';
import type { ApiDependencies } from '../dependencies.ts';

/** Returns the number of tasks that had not ended. */
export async function cancelAndNudge(
  dependencies: Pick<ApiDependencies, 'config' | 'database' | 'metrics' | 'nowMs'>,
  nudgeSender: NudgeSender,
  ids: readonly number[],
): Promise<number> {
  const { tasks, queues, waiting } = await cancelTasks(
    dependencies.database,
    ids,
    dependencies.nowMs(),
  );
  dependencies.metrics.tasksEnded.inc({ place: 'cancelled' }, tasks.length);
  nudgeSender.send([
    // Their jobs may still run: the worker that polls the queue ends them.
    ...queues.map((queue) => ({ stage: 'poll' as const, message: { queue } })),
    ...taskNudges('cache-check', waiting, dependencies.config.chunkSize),
  ]);
  return tasks.length;
}
