/** The log of changes: which tasks stand elsewhere, for those who want to be told. */
import { settledPart, type ReadChange } from '../core/notify/changes.ts';
import type { Session, Transaction } from './client.ts';
import { fromJson, select, selectFirst, write } from './rows.ts';

const TASKS_PER_CHANGE = 1000;
/** Between a row's id and its commit lies one round trip; whatever takes longer has failed. */
const SETTLED_MS = 3000;
const NOW_MS = 'ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000)';

/** In the transaction that changes the tasks, and as late in it as can be. */
export async function tellOfChange(
  transaction: Transaction,
  taskIds: readonly number[],
  { ended }: { ended: boolean },
): Promise<void> {
  for (let start = 0; start < taskIds.length; start += TASKS_PER_CHANGE) {
    await write(
      transaction,
      `INSERT INTO task_changes (tasks, ended, created_ms) VALUES (?, ?, ${NOW_MS})`,
      [JSON.stringify(taskIds.slice(start, start + TASKS_PER_CHANGE)), ended],
    );
  }
}

export interface ChangesPage {
  changes: ReadChange[];
  /** Where to go on. */
  upTo: number;
  /** There is more, readable now or in a moment. */
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

/** What came after a place in the log, in order and without holes. */
export async function readChanges(
  session: Session,
  after: number,
  most: number,
): Promise<ChangesPage> {
  const rows = await select<LoggedChange>(
    session,
    `SELECT id, tasks, ended, created_ms < ${NOW_MS} - ? AS settled, @@auto_increment_increment AS step FROM task_changes WHERE id > ? ORDER BY id LIMIT ?`,
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

/** So far behind the newest row nothing is still being committed. */
const REACH_BACK = 100;

export interface ChangesKept {
  /** A reader that has come so far, or further, has missed nothing. */
  from: number;
  /** Where one begins that wants to know what comes: it will see some changes of just before, too. */
  start: number;
  newest: number;
}

export async function readChangesKept(session: Session): Promise<ChangesKept> {
  const row = await selectFirst<{ oldest: number | null; newest: number | null; step: number }>(
    session,
    'SELECT MIN(id) AS oldest, MAX(id) AS newest, @@auto_increment_increment AS step FROM task_changes',
  );
  const [oldest, newest, step] = [row?.oldest ?? 0, row?.newest ?? 0, row?.step ?? 1];
  return {
    from: Math.max(0, oldest - step),
    start: Math.max(0, newest - REACH_BACK * step),
    newest,
  };
}

/** Forgets what is older, some at once, but for the newest row, which says how far the log has come. Returns how many. */
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
