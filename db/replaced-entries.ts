/** Entries of the call cache that a run with cache mode `refresh` replaces. */
import type { Session } from './client.ts';
import { select, write } from './rows.ts';

interface Replacing {
  taskId: number;
  /** Why older entries of its call can no longer be used; absent when it replaces none. */
  replaces?: string | undefined;
}

/**
 * Marks the older entries of the same calls as unusable: those of the same fingerprint, and those of
 * the same fingerprint by listings alone, which were written when less was known of the inputs.
 * @param entries have been written. Doing it again changes nothing: entries written since are newer
 */
export async function replaceOlder(session: Session, entries: readonly Replacing[]): Promise<void> {
  const reasons = new Map(
    entries.flatMap(({ taskId, replaces }) =>
      replaces === undefined ? [] : [[taskId, replaces] as const],
    ),
  );
  if (reasons.size === 0) return;
  const taskIds = [...reasons.keys()];
  const replaced = await select<{ id: number; taskId: number }>(
    session,
    `${sameCall('fingerprint')} UNION ${sameCall('listed_fingerprint')}`,
    [taskIds, taskIds],
  );
  for (const [taskId, older] of Map.groupBy(replaced, (row) => row.taskId))
    await write(
      session,
      'UPDATE cache_entries SET usable = FALSE, invalid_reason = ? WHERE id IN (?)',
      [reasons.get(taskId), older.map(({ id }) => id)],
    );
}

const sameCall = (column: 'fingerprint' | 'listed_fingerprint'): string =>
  `SELECT older.id, newer.task_id AS taskId
    FROM cache_entries AS newer JOIN cache_entries AS older
      ON older.${column} = newer.${column} AND older.domain = newer.domain
     AND older.usable = TRUE AND older.id < newer.id
   WHERE newer.task_id IN (?)`;
