/** Deletes tasks that ended long ago, and learns what the older ones that stay still need. */
import { deleteTasks, readOldestTasks } from '../../../db/retention.ts';
import type { Pruning } from './pruning.ts';

/** What tasks need that are old and were not deleted: they run, or ended late. */
export interface NeededByTasks {
  templates: Set<number>;
  /** In hex. */
  fingerprints: Set<string>;
  entries: Set<number>;
}

/**
 * Walks the tasks from the oldest on, up to those that are too young to have ended long ago. There is no index by end:
 * it would cost each task more than this walk does, which reads mostly what it deletes.
 */
export async function pruneTasks({ runtime, cutoffs, done }: Pruning): Promise<NeededByTasks> {
  const { database } = runtime;
  const needed: NeededByTasks = {
    templates: new Set(),
    fingerprints: new Set(),
    entries: new Set(),
  };
  for (let after = 0; cutoffs.tasksMs > 0;) {
    const page = await readOldestTasks(database.pool, after);
    const last = page.at(-1);
    if (last === undefined) break;
    after = last.id;
    const old = page.filter(({ endedMs }) => endedMs !== null && endedMs < cutoffs.tasksMs);
    await done('tasks', await deleteTasks(database, old, cutoffs.tasksMs));
    for (const { templateId, fingerprint, hitEntryId, endedMs } of page) {
      if (endedMs !== null && endedMs < cutoffs.tasksMs) continue;
      needed.templates.add(templateId);
      if (fingerprint) needed.fingerprints.add(fingerprint.toString('hex'));
      if (hitEntryId !== null) needed.entries.add(hitEntryId);
    }
    if (page.every(({ createdMs }) => createdMs >= cutoffs.tasksMs)) break;
  }
  return needed;
}
