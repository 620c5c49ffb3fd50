/** The entries of an owner: listed, shown, invalidated, and deleted, in small steps. */
import type { Database, Session } from './client.ts';
import { inTransaction } from './client.ts';
import { fromJson, select, selectFirst, write } from './rows.ts';

export interface EntryView {
  id: number;
  taskId: number;
  name: string;
  fingerprint: Buffer;
  runMs: number;
  usable: boolean;
  invalidReason: string | null;
  warnings: string[];
  hits: number;
  lastHitMs: number | null;
  createdMs: number;
}

type EntryRow = Omit<EntryView, 'usable' | 'warnings'> & {
  usable: number;
  warnings: string | null;
};

const COLUMNS = `id, task_id AS taskId, name, fingerprint, run_ms AS runMs, usable, invalid_reason AS invalidReason,
  warnings, hits, last_hit_ms AS lastHitMs, created_ms AS createdMs`;

const toEntry = ({ usable, warnings, ...row }: EntryRow): EntryView => ({
  ...row,
  usable: usable === 1,
  warnings: warnings === null ? [] : fromJson<string[]>(warnings),
});

export interface EntryFilter {
  owner: string;
  name?: string | undefined;
  usable?: boolean | undefined;
  beforeId?: number | undefined;
  limit: number;
}

/** Newest first. */
export async function listEntries(
  session: Session,
  { owner, name, usable, beforeId, limit }: EntryFilter,
): Promise<EntryView[]> {
  const rows = await select<EntryRow>(
    session,
    `SELECT ${COLUMNS} FROM cache_entries WHERE owner = ? AND id < ?
      ${name === undefined ? '' : 'AND name = ?'} ${usable === undefined ? '' : 'AND usable = ?'}
      ORDER BY id DESC LIMIT ?`,
    [
      owner,
      beforeId ?? Number.MAX_SAFE_INTEGER,
      ...(name === undefined ? [] : [name]),
      ...(usable === undefined ? [] : [usable]),
      limit,
    ],
  );
  return rows.map(toEntry);
}

export async function readEntryOfTask(
  session: Session,
  owner: string,
  taskId: number,
): Promise<EntryView | undefined> {
  const row = await selectFirst<EntryRow>(
    session,
    `SELECT ${COLUMNS} FROM cache_entries WHERE task_id = ? AND owner = ?`,
    [taskId, owner],
  );
  return row && toEntry(row);
}

export interface EntryCounts {
  entries: number;
  unusable: number;
}

export async function countEntries(session: Session, owner: string): Promise<EntryCounts> {
  const row = await selectFirst<EntryCounts>(
    session,
    `SELECT COUNT(*) AS entries, CAST(COALESCE(SUM(NOT usable), 0) AS DOUBLE) AS unusable
      FROM cache_entries WHERE owner = ?`,
    [owner],
  );
  return row ?? { entries: 0, unusable: 0 };
}

/** Which entries of an owner are meant. */
export type EntryChoice =
  | { by: 'tasks'; ids: readonly number[] }
  | { by: 'name'; name: string }
  | { by: 'output-prefix'; prefix: string }
  /** Neither written nor hit since then. */
  | { by: 'unused'; sinceMs: number }
  | { by: 'unusable' };

export interface ChosenEntry {
  id: number;
  taskId: number;
  name: string;
}

/** The next ones after an id, oldest first. */
export async function chooseEntries(
  session: Session,
  owner: string,
  choice: EntryChoice,
  page: { afterId: number; limit: number },
): Promise<ChosenEntry[]> {
  const [condition, values] = conditionOf(choice);
  return select<ChosenEntry>(
    session,
    `SELECT e.id, e.task_id AS taskId, e.name FROM cache_entries e
      WHERE e.owner = ? AND e.id > ? AND ${condition} ORDER BY e.id LIMIT ?`,
    [owner, page.afterId, ...values, page.limit],
  );
}

function conditionOf(choice: EntryChoice): [sql: string, values: unknown[]] {
  switch (choice.by) {
    case 'tasks':
      return ['e.task_id IN (?) AND e.usable', [choice.ids]];
    case 'name':
      return ['e.name = ? AND e.usable', [choice.name]];
    case 'output-prefix':
      return [
        `e.usable AND EXISTS (SELECT 1 FROM cache_outputs o
          WHERE o.entry_id = e.id AND LEFT(o.url, ?) = ?)`,
        [Array.from(choice.prefix).length, choice.prefix],
      ];
    case 'unused':
      return ['GREATEST(e.created_ms, COALESCE(e.last_hit_ms, 0)) < ?', [choice.sinceMs]];
    default:
      return ['NOT e.usable', []];
  }
}

/** Returns how many were usable until now. */
export async function invalidateEntries(
  session: Session,
  ids: readonly number[],
  reason: string,
): Promise<number> {
  if (ids.length === 0) return 0;
  const done = await write(
    session,
    'UPDATE cache_entries SET usable = FALSE, invalid_reason = ? WHERE id IN (?) AND usable = TRUE',
    [reason, ids],
  );
  return done.affectedRows;
}

/** Deletes entries with their outputs. Hits that use one of them now lose it and run. */
export async function deleteEntries(database: Database, ids: readonly number[]): Promise<number> {
  if (ids.length === 0) return 0;
  return inTransaction(database, async (session) => {
    await write(session, 'DELETE FROM cache_outputs WHERE entry_id IN (?)', [ids]);
    const done = await write(session, 'DELETE FROM cache_entries WHERE id IN (?)', [ids]);
    return done.affectedRows;
  });
}
