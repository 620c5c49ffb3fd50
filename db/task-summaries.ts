/** Tasks as rows of a table, and what a page says of many: each read is one statement, and bounded. */
import type { Place } from '../core/places.ts';
import type { Session } from './client.ts';
import { select } from './rows.ts';

export interface TaskSummaryRow {
  id: number;
  name: string;
  scatterId: number | null;
  scatterCreatedMs: number | null;
  scatterRow: number | null;
  place: Place;
  movedMs: number;
  endedMs: number | null;
  attempt: number;
  hit: number;
  failureCode: string | null;
  failure: string | null;
}

/** In no order. */
export async function readTaskSummaries(
  session: Session,
  ids: readonly number[],
): Promise<TaskSummaryRow[]> {
  if (ids.length === 0) return [];
  return select<TaskSummaryRow>(
    session,
    `SELECT t.id, t.name, t.scatter_id AS scatterId, c.created_ms AS scatterCreatedMs,
       t.scatter_row AS scatterRow, t.place, t.moved_ms AS movedMs, t.ended_ms AS endedMs, t.attempt,
       t.hit_entry_id IS NOT NULL AS hit, t.failure_code AS failureCode, t.failure
     FROM tasks t LEFT JOIN scatters c ON c.id = t.scatter_id
     WHERE t.id IN (?)`,
    [ids],
  );
}

/** The unfinished tasks that were accepted first, of one scatter or of an owner. */
export async function listOldestUnfinished(
  session: Session,
  { owner, scatterId, limit }: { owner: string; scatterId?: number | undefined; limit: number },
): Promise<number[]> {
  // Each index is in the order of the ids. Left alone, MariaDB may read all tasks in that order.
  const [from, where, values] =
    scatterId === undefined
      ? ['tasks FORCE INDEX (tasks_ended)', 'owner = ?', [owner]]
      : ['tasks FORCE INDEX (tasks_scatter)', 'scatter_id = ? AND owner = ?', [scatterId, owner]];
  const rows = await select<{ id: number }>(
    session,
    `SELECT id FROM ${from} WHERE ${where} AND ended_as IS NULL ORDER BY id LIMIT ?`,
    [...values, limit],
  );
  return rows.map(({ id }) => id);
}

export interface FailedRow {
  id: number;
  createdMs: number;
  failureCode: string;
  failure: string | null;
  endedMs: number;
}

const FAILED = `id, created_ms AS createdMs, failure_code AS failureCode, failure, ended_ms AS endedMs`;

/** The failed tasks of a scatter, in order. */
export function readFailedOf(session: Session, scatterId: number): Promise<FailedRow[]> {
  return select<FailedRow>(
    session,
    `SELECT ${FAILED} FROM tasks FORCE INDEX (tasks_scatter)
      WHERE scatter_id = ? AND place = 'failed' ORDER BY id`,
    [scatterId],
  );
}

/** Of the tasks of an owner that failed, the newest ones that ended since. */
export function readRecentFailures(
  session: Session,
  { owner, sinceMs, most }: { owner: string; sinceMs: number; most: number },
): Promise<FailedRow[]> {
  return select<FailedRow>(
    session,
    `SELECT * FROM (
       SELECT ${FAILED} FROM tasks FORCE INDEX (tasks_ended)
       WHERE owner = ? AND ended_as = 'failed' ORDER BY id DESC LIMIT ?
     ) AS latest WHERE endedMs >= ?`,
    [owner, most, sinceMs],
  );
}

const LATEST_CHANGES = 1000;

const LEAST_SPAN_MS = 30_000;

/**
 * How many tasks of the fleet ended lately, and in which time: since the first end within the window,
 * or within the latest changes if they are many. Cancelled tasks say nothing of the rate; those of one
 * change have made one move.
 */
export async function readRecentEnds(
  session: Session,
  windowMs: number,
): Promise<{ tasks: number; windowMs: number }> {
  const [row] = await select<{ tasks: number; spanMs: number | null }>(
    session,
    `SELECT CAST(COALESCE(SUM(latest.tasks), 0) AS DOUBLE) AS tasks,
       CAST(MAX(latest.ageMs) AS DOUBLE) AS spanMs
     FROM (SELECT JSON_LENGTH(tasks) AS tasks, CAST(JSON_EXTRACT(tasks, '$[0]') AS UNSIGNED) AS first,
         ended, ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000) - created_ms AS ageMs
       FROM task_changes ORDER BY id DESC LIMIT ?) AS latest
       STRAIGHT_JOIN tasks t ON t.id = latest.first AND t.place <> 'cancelled'
     WHERE latest.ended = 1 AND latest.ageMs < ?`,
    [LATEST_CHANGES, windowMs],
  );
  return { tasks: row?.tasks ?? 0, windowMs: Math.max(LEAST_SPAN_MS, row?.spanMs ?? windowMs) };
}

/** By the clock of its host, as its record says; as it was seen, for one without a record. */
const STARTED = "COALESCE(JSON_EXTRACT(a.result, '$.startedMs'), a.started_ms)";

/** The steps of a task, and the two moments between which each is. */
const SPANS = {
  'cache-check': ['t.checked_ms', 't.created_ms'],
  'stage-script': ['t.staged_ms', 't.checked_ms'],
  packing: ['a.created_ms', 'COALESCE(t.staged_ms, t.checked_ms)'],
  submitting: ['s.submitted_ms', 'a.created_ms'],
  'in-batch': [STARTED, 's.submitted_ms'],
  running: ['a.ended_ms', STARTED],
  finalizing: ['t.ended_ms', 'COALESCE(a.ended_ms, t.checked_ms)'],
} as const;

export interface ScatterSpan {
  step: keyof typeof SPANS;
  /** How many tasks have passed it. */
  tasks: number;
  meanMs: number;
  longestMs: number;
}

/** Of the latest attempts. A step that no task has passed is left out. */
export async function readScatterSpans(
  session: Session,
  scatterId: number,
): Promise<ScatterSpan[]> {
  const columns = Object.values(SPANS).flatMap(([to, from], position) => {
    const span = `GREATEST(0, CAST(${to} AS SIGNED) - CAST(${from} AS SIGNED))`;
    return [
      `COUNT(${span}) AS tasks${position}`,
      `CAST(AVG(${span}) AS DOUBLE) AS mean${position}`,
      `MAX(${span}) AS longest${position}`,
    ];
  });
  const [row = {}] = await select<Record<string, number | null>>(
    session,
    `SELECT ${columns.join(', ')} FROM tasks t
       LEFT JOIN attempts a ON a.task_id = t.id AND a.number = t.attempt
       LEFT JOIN submissions s ON s.id = a.submission_id
     WHERE t.scatter_id = ?`,
    [scatterId],
  );
  const steps = Object.keys(SPANS) as (keyof typeof SPANS)[];
  return steps.flatMap((step, position) => {
    const tasks = row[`tasks${position}`] ?? 0;
    const [meanMs, longestMs] = [row[`mean${position}`] ?? 0, row[`longest${position}`] ?? 0];
    return tasks === 0 ? [] : [{ step, tasks, meanMs, longestMs }];
  });
}
