/** The log of changes, which events and webhooks are read from. */
import { settledPart, type ReadChange } from '../core/notify/changes.ts';
import type { Session, Transaction } from './client.ts';
import { fromJson, select, selectFirst, write } from './rows.ts';
import type { Statement, Verbatim } from './trips.ts';

export const TASKS_PER_CHANGE = 1000;
/**
 * One round trip separates a row's id from its commit. A transaction that takes longer than this
 * has failed.
 */
const SETTLED_MS = 3000;
const NOW_MS = 'ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000)';

/** Logs that tasks have moved. Call it in the transaction that moves them, as late as possible. */
export async function logChange(
  transaction: Transaction,
  taskIds: readonly number[],
  { ended }: { ended: boolean },
): Promise<void> {
  for (let start = 0; start < taskIds.length; start += TASKS_PER_CHANGE) {
    const part = JSON.stringify(taskIds.slice(start, start + TASKS_PER_CHANGE));
    const { sql, values } = changeStatement(part, { ended });
    await write(transaction, sql, [...values]);
  }
}

/** @param tasks up to `TASKS_PER_CHANGE` ids as JSON */
export const changeStatement = (
  tasks: string | Verbatim,
  { ended }: { ended: boolean },
): Statement => ({
  sql: `INSERT INTO task_changes (tasks, ended, created_ms) VALUES (?, ?, ${NOW_MS})`,
  values: [tasks, ended],
});

interface ChangesPage {
  changes: ReadChange[];
  /** Where the next page begins. */
  upTo: number;
  /** Whether more can be read, now or soon. */
  more: boolean;
}

/** A row of the log; MySQL's booleans are 0 and 1. */
interface LoggedChange {
  id: number;
  tasks: string;
  ended: number;
  settled: number;
  step: number;
}

/** What follows a position in the log, in order and without gaps. */
export async function readChanges(
  session: Session,
  after: number,
  most: number,
): Promise<ChangesPage> {
  const rows = await select<LoggedChange>(
    session,
    `SELECT id, tasks, ended, created_ms < ${NOW_MS} - ? AS settled,
       @@auto_increment_increment AS step
     FROM task_changes WHERE id > ? ORDER BY id LIMIT ?`,
    [SETTLED_MS, after, most],
  );
  const changes = rows.map((row): ReadChange => ({
    id: row.id,
    tasks: fromJson<number[]>(row.tasks),
    ended: row.ended === 1,
    settled: row.settled === 1,
  }));
  const part = settledPart(after, changes, rows[0]?.step ?? 1);
  return {
    changes: part,
    upTo: part.at(-1)?.id ?? after,
    more: part.length < changes.length || changes.length === most,
  };
}

/** No row this far behind the newest is still being committed. */
const REACH_BACK = 100;

export interface ChangesKept {
  /** A reader at this position or a later one has missed nothing. */
  from: number;
  /** Where a reader of future changes begins. It also sees a few that were made just before. */
  start: number;
  newest: number;
}

export async function readChangesKept(session: Session): Promise<ChangesKept> {
  const row = await selectFirst<{ oldest: number | null; newest: number | null; step: number }>(
    session,
    `SELECT MIN(id) AS oldest, MAX(id) AS newest, @@auto_increment_increment AS step
      FROM task_changes`,
  );
  const [oldest, newest, step] = [row?.oldest ?? 0, row?.newest ?? 0, row?.step ?? 1];
  return {
    from: Math.max(0, oldest - step),
    start: Math.max(0, newest - REACH_BACK * step),
    newest,
  };
}

/**
 * Deletes up to `most` older rows. The newest row stays, since it holds the position of the log.
 * Returns how many.
 */
export async function pruneChanges(
  session: Session,
  { keepMs, most }: { keepMs: number; most: number },
): Promise<number> {
  const { newest } = await readChangesKept(session);
  const result = await write(
    session,
    `DELETE FROM task_changes WHERE created_ms < ${NOW_MS} - ? AND id < ? LIMIT ?`,
    [keepMs, newest, most],
  );
  return result.affectedRows;
}
