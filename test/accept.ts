/** Accepts and ends tasks in the database of a test, as the API and the fleet do. */
import { parseId } from '../core/ids.ts';
import type { NewTask } from '../core/task/task.ts';
import { acceptTasks, type NewScatter } from '../db/accept.ts';
import { logChange } from '../db/changes.ts';
import { inTransaction, type Database } from '../db/client.ts';

interface Accepting {
  owner: string;
  /** The owner, when absent. */
  cacheDomain?: string;
  scatter?: NewScatter;
  tasks: readonly NewTask[];
  nowMs: number;
  dueMs: number;
}

export async function acceptAll(
  database: Database,
  { tasks, ...request }: Accepting,
): Promise<{ taskIds: number[]; scatterId?: number }> {
  const accepted = await acceptTasks(database, {
    cacheDomain: request.owner,
    ...request,
    tasks: tasks.map((task) => ({ task })),
  });
  const taskIds = accepted.tasks.map((one) => (one === 'other-request' ? 0 : one.id));
  return {
    taskIds,
    ...(typeof accepted.scatter === 'object' && { scatterId: accepted.scatter.id }),
  };
}

/**
 * Ends tasks at any place, and logs the change. @param ids as callers see them @param endedMs
 * 2025-06-15T15:06:40Z by default
 */
export async function endTasks(
  database: Database,
  ids: readonly string[],
  { place = 'done', endedMs = 1_750_000_000_000 } = {},
): Promise<void> {
  const keys = ids.map((id) => parseId('task', id)?.key ?? 0);
  await inTransaction(database, async (open) => {
    const failure = place === 'failed' ? ['internal', 'It was to fail.'] : [null, null];
    await open.query(
      `UPDATE tasks
        SET place = ?, ended_ms = ?, moved_ms = ?, due_ms = NULL, failure_code = ?, failure = ?
        WHERE id IN (?)`,
      [place, endedMs, endedMs, ...failure, keys],
    );
    await logChange(open, keys, { ended: true });
  });
}
