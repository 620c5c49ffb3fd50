/** Cancels tasks and tells those whom it concerns. */
import { cancelTasks } from '../../db/cancel.ts';
import { taskNudges } from '../../queues/messages.ts';
import type { NudgeSender } from '../intake/nudge-sender.ts';
import type { ApiDependencies } from '../dependencies.ts';

/** Returns how many had not ended yet. */
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
    // Their jobs may still run: whoever watches the queue ends them.
    ...queues.map((queue) => ({ stage: 'poll' as const, message: { queue } })),
    ...taskNudges('cache-check', waiting, dependencies.config.chunkSize),
  ]);
  return tasks.length;
}
