/** Cancels tasks and tells those whom it concerns. */
import { cancelTasks } from '../../db/cancel.ts';
import { taskNudges } from '../../queues/messages.ts';
import type { Announcer } from '../intake/announce.ts';
import type { ApiParts } from '../dependencies.ts';

/** Returns how many had not ended yet. */
export async function cancelAndTell(
  parts: Pick<ApiParts, 'config' | 'database' | 'metrics' | 'nowMs'>,
  announcer: Announcer,
  ids: readonly number[],
): Promise<number> {
  const { tasks, queues, waiting } = await cancelTasks(parts.database, ids, parts.nowMs());
  parts.metrics.tasksEnded.inc({ place: 'cancelled' }, tasks.length);
  announcer.announce([
    // Their jobs may still run: whoever watches the queue ends them.
    ...queues.map((queue) => ({ stage: 'poll' as const, message: { queue } })),
    ...taskNudges('cache-check', waiting, parts.config.chunkSize),
  ]);
  return tasks.length;
}
