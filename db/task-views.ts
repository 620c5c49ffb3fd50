/** What callers see of tasks. Each read is one statement. */
import { append } from '../core/append.ts';
import { publicId } from '../core/ids.ts';
import type { Place } from '../core/places.ts';
import type { ProfileName } from '../core/profiles/profile-names.ts';
import type { StoredRecord } from '../core/result/result.ts';
import type { CacheMode } from '../core/task/task.ts';
import type { ReportedTask } from '../core/notify/task-event.ts';
import type { AttemptOutcome } from '../core/retry/attempt-outcomes.ts';
import { storedResult } from './attempts.ts';
import type { Session } from './client.ts';
import { fromJson, select, selectFirst, selectPrepared } from './rows.ts';

export interface TaskStanding {
  id: number;
  owner: string;
  createdMs: number;
  place: Place;
  profile: ProfileName;
  /** Whether its own container was seen running. */
  running: boolean;
  /** Whether its submission has not ended. */
  jobOpen: boolean;
  failureCode?: string;
}

/** Columns of tasks `t` and what `STANDING_JOINS` adds that make a `StandingRow`. */
export const STANDING = `t.id, t.owner, t.created_ms AS createdMs, t.profile, t.place,
  t.failure_code AS failureCode, a.started_ms IS NOT NULL AS running,
  s.id IS NOT NULL AND s.ended_ms IS NULL AS jobOpen`;

/** Only a task at poll has an attempt that may run. */
export const ATTEMPT_JOIN = `LEFT JOIN attempts a
  ON t.place = 'poll' AND a.task_id = t.id AND a.number = t.attempt`;

export const STANDING_JOINS = `LEFT JOIN submissions s ON s.id = t.submission_id ${ATTEMPT_JOIN}`;

export interface StandingRow {
  id: number;
  owner: string;
  createdMs: number;
  profile: ProfileName;
  place: Place;
  failureCode: string | null;
  running: number;
  /** Null when the task has no submission. */
  jobOpen: number | null;
}

/** A field for a column that may be null. A null column gives no field. */
const known = <K extends string, V>(key: K, value: V | null): { [P in K]?: V } =>
  value === null ? {} : ({ [key]: value } as { [P in K]?: V });

export const toStanding = (row: StandingRow): TaskStanding => ({
  id: row.id,
  owner: row.owner,
  createdMs: row.createdMs,
  profile: row.profile,
  place: row.place,
  running: row.running === 1,
  jobOpen: row.jobOpen === 1,
  ...known('failureCode', row.failureCode),
});

const FROM_STANDING = `SELECT ${STANDING} FROM tasks t ${STANDING_JOINS}`;

/** In no order. Missing ones are left out. */
export async function readStandings(
  session: Session,
  ids: readonly number[],
): Promise<TaskStanding[]> {
  const [only] = ids;
  if (only === undefined) return [];
  if (ids.length === 1) {
    // As a whole number: mysql2 sends numbers as DOUBLE.
    const row = await selectPrepared<StandingRow>(session, `${FROM_STANDING} WHERE t.id = ?`, [
      BigInt(only),
    ]);
    return row ? [toStanding(row)] : [];
  }
  const rows = await select<StandingRow>(session, `${FROM_STANDING} WHERE t.id IN (?)`, [ids]);
  return rows.map(toStanding);
}

const TOLD_TASKS_PER_READ = 500;

/** In no order, any number of them. */
export async function readReportedTasks(
  session: Session,
  ids: readonly number[],
): Promise<ReportedTask[]> {
  const told: ReportedTask[] = [];
  for (let start = 0; start < ids.length; start += TOLD_TASKS_PER_READ)
    append(told, await readSomeToldTasks(session, ids.slice(start, start + TOLD_TASKS_PER_READ)));
  return told;
}

interface ToldRow extends StandingRow {
  name: string;
  tags: string;
  scatterId: number | null;
  scatterRow: number | null;
  scatterCreatedMs: number | null;
  attempt: number;
  movedMs: number;
  startedMs: number | null;
  hit: number;
  failure: string | null;
}

/** Nothing for a task of no scatter. */
function scatterOf({
  scatterId,
  scatterCreatedMs,
  scatterRow,
}: ToldRow): Pick<ReportedTask, 'scatter'> {
  if (scatterId === null || scatterCreatedMs === null || scatterRow === null) return {};
  return { scatter: { id: scatterId, createdMs: scatterCreatedMs, row: scatterRow } };
}

async function readSomeToldTasks(
  session: Session,
  ids: readonly number[],
): Promise<ReportedTask[]> {
  const rows = await select<ToldRow>(
    session,
    `SELECT ${STANDING}, t.name, t.tags, t.scatter_id AS scatterId, t.scatter_row AS scatterRow,
       c.created_ms AS scatterCreatedMs, t.attempt, t.moved_ms AS movedMs,
       a.started_ms AS startedMs, t.hit_entry_id IS NOT NULL AS hit, t.failure
     FROM tasks t ${STANDING_JOINS}
       LEFT JOIN scatters c ON c.id = t.scatter_id
     WHERE t.id IN (?)`,
    [ids],
  );
  return rows.map((row) => ({
    ...toStanding(row),
    name: row.name,
    tags: fromJson<Record<string, string>>(row.tags),
    attempt: row.attempt,
    sinceMs: row.place === 'poll' ? (row.startedMs ?? row.movedMs) : row.movedMs,
    hit: row.hit === 1,
    ...scatterOf(row),
    ...known('failure', row.failure),
  }));
}

/** Public ids by row. */
export async function readTaskIds(
  session: Session,
  ids: readonly number[],
): Promise<Map<number, string>> {
  if (ids.length === 0) return new Map();
  const rows = await select<{ id: number; createdMs: number }>(
    session,
    'SELECT id, created_ms AS createdMs FROM tasks WHERE id IN (?)',
    [ids],
  );
  return new Map(
    rows.map((row) => [row.id, publicId('task', { id: row.id, createdMs: row.createdMs })]),
  );
}

export interface TaskDetail extends TaskStanding {
  name: string;
  description: string;
  tags: Record<string, string>;
  cache: CacheMode;
  cacheDomain: string;
  /** See core/cache/replicates.ts. */
  replicate: number;
  warnings: string[];
  templateId: number;
  values: string[];
  failure?: string;
  /** Why its script cannot be written. */
  blocked?: string;
  hitEntryId?: number;
  /** Whether the outputs of a hit were copied to its own URLs, or are the prior ones. */
  hitMode?: 'copy' | 'reference';
  /** The task of the same owner whose result it is. */
  source?: { id: number; createdMs: number };
  checkedMs?: number;
  stagedMs?: number;
  endedMs?: number;
}

interface DetailRow extends StandingRow {
  name: string;
  description: string;
  tags: string;
  cache: CacheMode;
  cacheDomain: string;
  replicate: number;
  warnings: string | null;
  templateId: number;
  slotValues: string;
  failure: string | null;
  blocked: string | null;
  hitEntryId: number | null;
  hitMode: 'copy' | 'reference' | null;
  sourceId: number | null;
  sourceCreatedMs: number | null;
  checkedMs: number | null;
  stagedMs: number | null;
  endedMs: number | null;
}

const sourceOf = ({
  sourceId,
  sourceCreatedMs,
}: DetailRow): NonNullable<TaskDetail['source']> | null =>
  sourceId === null || sourceCreatedMs === null
    ? null
    : { id: sourceId, createdMs: sourceCreatedMs };

/** In no order. Templates are read separately, since many tasks share one. */
export async function readDetails(session: Session, ids: readonly number[]): Promise<TaskDetail[]> {
  if (ids.length === 0) return [];
  const rows = await select<DetailRow>(
    session,
    `SELECT ${STANDING}, t.name, t.description, t.tags, t.cache, t.cache_domain AS cacheDomain,
       t.replicate, t.warnings, t.template_id AS templateId, t.slot_values AS slotValues, t.failure,
       t.hit_entry_id AS hitEntryId, t.hit_mode AS hitMode, t.checked_ms AS checkedMs,
       t.staged_ms AS stagedMs, t.ended_ms AS endedMs,
       IF(t.place = 'stage-script', (SELECT blocked FROM templates WHERE id = t.template_id), NULL)
         AS blocked,
       src.id AS sourceId, src.created_ms AS sourceCreatedMs
     FROM tasks t ${STANDING_JOINS}
       LEFT JOIN tasks src
         ON t.hit_entry_id IS NOT NULL AND src.id = t.cache_source AND src.owner = t.owner
     WHERE t.id IN (?)`,
    [ids],
  );
  return rows.map((row) => ({
    ...toStanding(row),
    name: row.name,
    description: row.description,
    tags: fromJson<Record<string, string>>(row.tags),
    cache: row.cache,
    cacheDomain: row.cacheDomain,
    replicate: row.replicate,
    warnings: row.warnings === null ? [] : fromJson<string[]>(row.warnings),
    templateId: row.templateId,
    values: fromJson<string[]>(row.slotValues),
    ...known('failure', row.failure),
    ...known('blocked', row.blocked),
    ...known('hitEntryId', row.hitEntryId),
    ...known('hitMode', row.hitMode),
    ...known('source', sourceOf(row)),
    ...known('checkedMs', row.checkedMs),
    ...known('stagedMs', row.stagedMs),
    ...known('endedMs', row.endedMs),
  }));
}

export interface AttemptView {
  taskId: number;
  /** From 1. */
  number: number;
  arrayIndex: number;
  submissionKey: string;
  /** Whose objects its logs are, with the installation. */
  owner: string;
  installation: string;
  /** Attempts in its submission. 1 is a single job. */
  submissionSize: number;
  /** Batch job queue, by name or ARN. */
  queue: string;
  jobId?: string;
  createdMs: number;
  submittedMs?: number;
  /** When its container started, as far as that was seen. */
  startedMs?: number;
  endedMs?: number;
  /** Why Batch does not start it. */
  waitingReason?: string;
  outcome?: AttemptOutcome;
  exitCode?: number;
  reason?: string;
  result?: StoredRecord;
  /** Batch's own attempt number, from 1. */
  batchAttempt?: number;
}

/** The latest attempt of each task first. */
export async function readAttempts(
  session: Session,
  taskIds: readonly number[],
): Promise<AttemptView[]> {
  if (taskIds.length === 0) return [];
  const rows = await select<AttemptRow>(
    session,
    `SELECT a.task_id AS taskId, a.number, a.array_index AS arrayIndex, a.created_ms AS createdMs,
       a.ended_ms AS endedMs, a.outcome, a.exit_code AS exitCode, a.reason, a.result,
       a.batch_attempt AS batchAttempt, s.submission_key AS submissionKey,
       s.owner, s.installation,
       s.size AS submissionSize, s.queue, s.job_id AS jobId, s.submitted_ms AS submittedMs,
       a.started_ms AS startedMs, s.waiting_reason AS waitingReason
     FROM attempts a JOIN submissions s ON s.id = a.submission_id
     WHERE a.task_id IN (?) ORDER BY a.task_id, a.number DESC`,
    [taskIds],
  );
  return rows.map(toAttempt);
}

interface AttemptRow {
  taskId: number;
  number: number;
  arrayIndex: number;
  submissionKey: string;
  owner: string;
  installation: string;
  submissionSize: number;
  queue: string;
  jobId: string | null;
  createdMs: number;
  submittedMs: number | null;
  startedMs: number | null;
  endedMs: number | null;
  waitingReason: string | null;
  outcome: AttemptOutcome | null;
  exitCode: number | null;
  reason: string | null;
  result: string | null;
  batchAttempt: number | null;
}

function toAttempt(row: AttemptRow): AttemptView {
  return {
    taskId: row.taskId,
    number: row.number,
    arrayIndex: row.arrayIndex,
    submissionKey: row.submissionKey,
    owner: row.owner,
    installation: row.installation,
    submissionSize: row.submissionSize,
    queue: row.queue,
    createdMs: row.createdMs,
    ...known('jobId', row.jobId),
    ...known('submittedMs', row.submittedMs),
    ...known('startedMs', row.startedMs),
    ...known('endedMs', row.endedMs),
    ...known('waitingReason', row.waitingReason),
    ...known('outcome', row.outcome),
    ...known('exitCode', row.exitCode),
    ...known('reason', row.reason),
    ...known('result', (row.result === null ? undefined : storedResult(row.result)) ?? null),
    ...known('batchAttempt', row.batchAttempt),
  };
}

export type HitSource =
  | { state: 'kept'; id: number; createdMs: number }
  /** Deleted since then; `ranMs` is when it ended, where that is still known. */
  | { state: 'deleted'; ranMs: number | null };

/** The task of the same owner whose outputs a hit has; undefined for a task that is not a hit of one. */
export async function readHitSource(session: Session, id: number): Promise<HitSource | undefined> {
  const row = await selectFirst<{
    sourceId: number;
    createdMs: number | null;
    isOwn: number | null;
    ranMs: number | null;
  }>(
    session,
    `SELECT t.cache_source AS sourceId, src.created_ms AS createdMs, src.owner = t.owner AS isOwn,
       e.created_ms AS ranMs
     FROM tasks t
       LEFT JOIN tasks src ON src.id = t.cache_source
       LEFT JOIN cache_entries e ON e.id = t.hit_entry_id
     WHERE t.id = ? AND t.place = 'done' AND t.hit_entry_id IS NOT NULL AND t.cache_source IS NOT NULL`,
    [id],
  );
  if (!row) return undefined;
  if (row.createdMs === null) return { state: 'deleted', ranMs: row.ranMs };
  return row.isOwn === 1
    ? { state: 'kept', id: row.sourceId, createdMs: row.createdMs }
    : undefined;
}
