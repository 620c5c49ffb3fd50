/** Deletes what was made for tasks that are gone: submissions, scatters, shapes, definitions and templates. */
import {
  deleteDefinitions,
  deleteScatters,
  deleteShapes,
  deleteSubmissions,
  deleteTemplates,
  readUnusedTemplates,
} from '../../../db/retention.ts';
import { repeat, walk, type Pruning } from './pruning.ts';
import type { NeededByTasks } from './tasks.ts';

export async function pruneForTasks(pruning: Pruning): Promise<void> {
  const { cutoffs } = pruning;
  if (cutoffs.tasksMs === 0) return;
  await walk(pruning, 'submissions', (pool, after) =>
    deleteSubmissions(pool, after, cutoffs.tasksMs),
  );
  await walk(pruning, 'scatters', (pool, after) => deleteScatters(pool, after, cutoffs.tasksMs));
  await repeat(pruning, 'shapes', (pool) => deleteShapes(pool, cutoffs.sharedMs));
  await repeat(pruning, 'job-definitions', (pool) => deleteDefinitions(pool, cutoffs.sharedMs));
}

export async function pruneTemplates(
  { runtime, cutoffs, done }: Pruning,
  { templates }: NeededByTasks,
): Promise<void> {
  const { pool } = runtime.database;
  for (let after = { id: 0, usedMs: 0 }; ;) {
    const page = await readUnusedTemplates(pool, after, cutoffs.sharedMs);
    const last = page.at(-1);
    if (last === undefined) return;
    after = last;
    const unused = page.map(({ id }) => id).filter((id) => !templates.has(id));
    await done('templates', await deleteTemplates(pool, unused, cutoffs.sharedMs));
  }
}
