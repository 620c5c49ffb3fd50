/** What callers see of tasks. Only reads; each is one statement. */
import { publicId } from '../core/ids.ts';
import type { RowDataPacket } from 'mysql2/promise';
import type { Place } from '../core/places.ts';
import type { ProfileName } from '../core/profiles/profiles.ts';
import type { ResultRecord } from '../core/result/result.ts';
import type { CacheMode } from '../core/task/task.ts';
import type { ToldTask } from '../core/notify/task-event.ts';
import type { AttemptOutcome } from '../core/retry/attempt-outcomes.ts';
import type { Session } from './client.ts';

export interface TaskStanding {
  id: number;
  owner: string;
  createdMs: number;
  place: Place;
  profile: ProfileName;
  /** Whether its submission was seen running. */
  running: boolean;
  /** Whether its submission has not ended. */
  jobOpen: boolean;
  failureCode?: string;
}

/** Columns of tasks `t` and submissions `s`. */
export const STANDING =
  't.id, t.owner, t.created_ms, t.profile, t.place, t.failure_code, s.running_ms IS NOT NULL AS running, s.id IS NOT NULL AND s.ended_ms IS NULL AS job_open';

export const toStanding = (row: RowDataPacket): TaskStanding => ({
  id: row['id'],
  owner: row['owner'],
  createdMs: row['created_ms'],
  profile: row['profile'],
  place: row['place'],
  running: row['running'] === 1,
  jobOpen: row['job_open'] === 1,
  ...(row['failure_code'] !== null && { failureCode: row['failure_code'] }),
});

/** In no order; those that are not there are left out. */
export async function readStandings(
  session: Session,
  ids: readonly number[],
): Promise<TaskStanding[]> {
  if (ids.length === 0) return [];
  const [rows] = await session.query<RowDataPacket[]>(
    `SELECT ${STANDING} FROM tasks t LEFT JOIN submissions s ON s.id = t.submission_id WHERE t.id IN (?)`,
    [ids],
  );
  return rows.map(toStanding);
}

const TOLD_TASKS_PER_READ = 500;

/** In no order; any number of them. */
export async function readToldTasks(session: Session, ids: readonly number[]): Promise<ToldTask[]> {
  const told: ToldTask[] = [];
  for (let start = 0; start < ids.length; start += TOLD_TASKS_PER_READ)
    told.push(...(await readSomeToldTasks(session, ids.slice(start, start + TOLD_TASKS_PER_READ))));
  return told;
}

async function readSomeToldTasks(session: Session, ids: readonly number[]): Promise<ToldTask[]> {
  const [rows] = await session.query<RowDataPacket[]>(
    `SELECT ${STANDING}, t.name, t.tags, t.scatter_id, t.scatter_row, c.created_ms AS scatter_created_ms, t.attempt, t.moved_ms, s.running_ms, t.hit_entry_id, t.failure
     FROM tasks t LEFT JOIN submissions s ON s.id = t.submission_id LEFT JOIN scatters c ON c.id = t.scatter_id WHERE t.id IN (?)`,
    [ids],
  );
  return rows.map((row) => ({
    ...toStanding(row),
    name: row['name'],
    tags: JSON.parse(row['tags']),
    attempt: row['attempt'],
    sinceMs: row['place'] === 'poll' ? (row['running_ms'] ?? row['moved_ms']) : row['moved_ms'],
    hit: row['hit_entry_id'] !== null,
    ...(row['scatter_id'] !== null && {
      scatter: {
        id: row['scatter_id'],
        createdMs: row['scatter_created_ms'],
        row: row['scatter_row'],
      },
    }),
    ...(row['failure'] !== null && { failure: row['failure'] }),
  }));
}

/** Public ids by row. */
export async function readTaskIds(
  session: Session,
  ids: readonly number[],
): Promise<Map<number, string>> {
  if (ids.length === 0) return new Map();
  const [rows] = await session.query<RowDataPacket[]>(
    'SELECT id, created_ms AS createdMs FROM tasks WHERE id IN (?)',
    [ids],
  );
  return new Map(
    rows.map((row) => [
      row['id'],
      publicId('task', { id: row['id'], createdMs: row['createdMs'] }),
    ]),
  );
}

export interface TaskDetail extends TaskStanding {
  name: string;
  description: string;
  tags: Record<string, string>;
  cache: CacheMode;
  cacheDomain: string;
  warnings: string[];
  templateId: number;
  values: string[];
  failure?: string;
  hitEntryId?: number;
  /** Whether a hit's outputs were copied to its own urls, or are the prior ones. */
  hitMode?: 'copy' | 'reference';
  checkedMs?: number;
  stagedMs?: number;
  endedMs?: number;
}

/** In no order. The templates are read apart, since many tasks share one. */
export async function readDetails(session: Session, ids: readonly number[]): Promise<TaskDetail[]> {
  if (ids.length === 0) return [];
  const [rows] = await session.query<RowDataPacket[]>(
    `SELECT ${STANDING}, t.name, t.description, t.tags, t.cache, t.cache_domain, t.warnings, t.template_id, t.slot_values, t.failure, t.hit_entry_id, t.hit_mode, t.checked_ms, t.staged_ms, t.ended_ms
     FROM tasks t LEFT JOIN submissions s ON s.id = t.submission_id WHERE t.id IN (?)`,
    [ids],
  );
  return rows.map((row) => ({
    ...toStanding(row),
    name: row['name'],
    description: row['description'],
    tags: JSON.parse(row['tags']),
    cache: row['cache'],
    cacheDomain: row['cache_domain'],
    warnings: row['warnings'] === null ? [] : JSON.parse(row['warnings']),
    templateId: row['template_id'],
    values: JSON.parse(row['slot_values']),
    ...(row['failure'] !== null && { failure: row['failure'] }),
    ...(row['hit_entry_id'] !== null && { hitEntryId: row['hit_entry_id'] }),
    ...(row['hit_mode'] !== null && { hitMode: row['hit_mode'] }),
    ...known('checkedMs', row['checked_ms']),
    ...known('stagedMs', row['staged_ms']),
    ...known('endedMs', row['ended_ms']),
  }));
}

export interface AttemptView {
  taskId: number;
  /** From 1. */
  number: number;
  arrayIndex: number;
  submissionKey: string;
  /** Attempts that its submission carries; 1 is a single job. */
  submissionSize: number;
  jobId?: string;
  createdMs: number;
  submittedMs?: number;
  runningMs?: number;
  endedMs?: number;
  /** Why Batch does not start it. */
  waitingReason?: string;
  outcome?: AttemptOutcome;
  exitCode?: number;
  reason?: string;
  result?: ResultRecord;
  /** Batch's own attempt, from 1. */
  batchAttempt?: number;
}

/** The latest attempt of each task first. */
export async function readAttempts(
  session: Session,
  taskIds: readonly number[],
): Promise<AttemptView[]> {
  if (taskIds.length === 0) return [];
  const [rows] = await session.query<RowDataPacket[]>(
    `SELECT a.*, s.submission_key, s.size, s.job_id, s.submitted_ms, s.running_ms, s.waiting_reason
     FROM attempts a JOIN submissions s ON s.id = a.submission_id WHERE a.task_id IN (?) ORDER BY a.task_id, a.number DESC`,
    [taskIds],
  );
  return rows.map(toAttempt);
}

const known = <K extends string>(key: K, value: unknown) =>
  value === null ? {} : { [key]: value };

function toAttempt(row: RowDataPacket): AttemptView {
  return {
    taskId: row['task_id'],
    number: row['number'],
    arrayIndex: row['array_index'],
    submissionKey: row['submission_key'],
    submissionSize: row['size'],
    createdMs: row['created_ms'],
    ...known('jobId', row['job_id']),
    ...known('submittedMs', row['submitted_ms']),
    ...known('runningMs', row['running_ms']),
    ...known('endedMs', row['ended_ms']),
    ...known('waitingReason', row['waiting_reason']),
    ...known('outcome', row['outcome']),
    ...known('exitCode', row['exit_code']),
    ...known('reason', row['reason']),
    ...known('result', row['result'] === null ? null : JSON.parse(row['result'])),
    ...known('batchAttempt', row['batch_attempt']),
  };
}
