/** The move `cancel`, which the caller asks for. */
import { moves } from '../core/places.ts';
import { landFlights } from './cache-flights.ts';
import { inTransaction, type Database, type Session, type Transaction } from './client.ts';
import { select, write } from './rows.ts';
import { moveTasks } from './tasks.ts';

interface Cancelled {
  tasks: number[];
  /** Batch job queues in which their jobs may run. The poll stage ends those jobs. */
  queues: string[];
  /** Equal tasks that waited for these at cache-check and must be checked again. */
  waiting: number[];
}

/** Tasks locked by one transaction. A scatter of 10,000 is cancelled in ten short ones. */
const TASKS_PER_TRANSACTION = 1000;

/** Cancels the tasks that have not ended. A second or late cancel changes nothing. */
export async function cancelTasks(
  database: Database,
  ids: readonly number[],
  nowMs: number,
): Promise<Cancelled> {
  const parts: Cancelled[] = [];
  for (let start = 0; start < ids.length; start += TASKS_PER_TRANSACTION) {
    const part = ids.slice(start, start + TASKS_PER_TRANSACTION);
    parts.push(await inTransaction(database, (session) => cancelPart(session, part, nowMs)));
  }
  return {
    tasks: parts.flatMap(({ tasks }) => tasks),
    queues: [...new Set(parts.flatMap(({ queues }) => queues))],
    waiting: [...new Set(parts.flatMap(({ waiting }) => waiting))],
  };
}

async function cancelPart(
  session: Transaction,
  ids: readonly number[],
  nowMs: number,
): Promise<Cancelled> {
  const rows = await select<{ id: number; submissionId: number | null }>(
    session,
    `SELECT id, submission_id AS submissionId FROM tasks WHERE id IN (?) AND place IN (?)
      ORDER BY id FOR UPDATE`,
    [ids, moves.cancel.from],
  );
  const tasks = rows.map((row) => row.id);
  if (tasks.length === 0) return { tasks, queues: [], waiting: [] };
  await moveTasks(session, 'cancel', tasks, { nowMs, dueMs: null });
  const waiting = await landFlights(session, tasks);
  const submissions = [...new Set(rows.map((row) => row.submissionId).filter((id) => id !== null))];
  if (submissions.length > 0)
    await write(
      session,
      `UPDATE submissions SET cancel_ms = ? WHERE id IN (?) AND state <> 'ended'`,
      [nowMs, submissions],
    );
  return { tasks, queues: await queuesOf(session, submissions), waiting };
}

async function queuesOf(session: Session, submissions: readonly number[]): Promise<string[]> {
  if (submissions.length === 0) return [];
  const rows = await select<{ queue: string }>(
    session,
    'SELECT DISTINCT queue FROM submissions WHERE id IN (?)',
    [submissions],
  );
  return rows.map((row) => row.queue);
}

/** Tasks of a scatter that have not ended. */
export async function readCancellable(session: Session, scatterId: number): Promise<number[]> {
  const rows = await select<{ id: number }>(
    session,
    'SELECT id FROM tasks WHERE scatter_id = ? AND place IN (?) ORDER BY id',
    [scatterId, moves.cancel.from],
  );
  return rows.map((row) => row.id);
}
