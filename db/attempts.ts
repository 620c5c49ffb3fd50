/** Attempts: which task is at which index of a submission, and how it ended. */
import type { AttemptOutcome } from '../core/retry/attempt-outcomes.ts';
import type { Place } from '../core/places.ts';
import type { StoredRecord } from '../core/result/result.ts';
import type { Session, Transaction } from './client.ts';
import { isOneOf } from './id-ranges.ts';
import { fromJson, select, write } from './rows.ts';
import { clip, inParts } from './statement-size.ts';

export interface OpenAttempt {
  taskId: number;
  number: number;
  submissionId: number;
  arrayIndex: number;
  /** Of its task, and when that was accepted. */
  owner: string;
  createdMs: number;
  /** The place of its task. A cancelled task keeps an open attempt until its job has ended. */
  place: Place;
  hostLosses: number;
  hostFaults: number;
  memoryGrowths: number;
  transientFailures: number;
}

const OPEN_ATTEMPTS = `SELECT attempts.task_id AS taskId, attempts.number,
    attempts.submission_id AS submissionId, attempts.array_index AS arrayIndex, tasks.place,
    tasks.owner, tasks.created_ms AS createdMs,
    tasks.host_losses AS hostLosses, tasks.host_faults AS hostFaults,
    tasks.memory_growths AS memoryGrowths,
    tasks.transient_failures AS transientFailures
  FROM attempts JOIN tasks ON tasks.id = attempts.task_id`;

/** Attempts of these submissions that have not ended. */
export async function readOpenAttempts(
  session: Session,
  submissionIds: readonly number[],
): Promise<OpenAttempt[]> {
  if (submissionIds.length === 0) return [];
  return select<OpenAttempt>(
    session,
    `${OPEN_ATTEMPTS} WHERE attempts.submission_id IN (?) AND attempts.outcome IS NULL
      ORDER BY attempts.submission_id, attempts.array_index`,
    [submissionIds],
  );
}

/** Attempts of one submission at these array indexes that have not ended. */
export async function readOpenAttemptsAt(
  session: Session,
  submissionId: number,
  indexes: readonly number[],
): Promise<OpenAttempt[]> {
  if (indexes.length === 0) return [];
  return select<OpenAttempt>(
    session,
    `${OPEN_ATTEMPTS}
      WHERE attempts.submission_id = ? AND attempts.array_index IN (?) AND attempts.outcome IS NULL`,
    [submissionId, indexes],
  );
}

export interface AttemptTask {
  taskId: number;
  /** Of the attempt, from 1. */
  number: number;
  arrayIndex: number;
  templateId: number;
  /** JSON of its values. */
  slotValues: string;
}

/** What the manifest of a submission needs, in the order of the array. */
export async function readAttemptTasks(
  session: Session,
  submissionId: number,
): Promise<AttemptTask[]> {
  return select<AttemptTask>(
    session,
    `SELECT attempts.task_id AS taskId, attempts.number, attempts.array_index AS arrayIndex,
       tasks.template_id AS templateId, tasks.slot_values AS slotValues
     FROM attempts JOIN tasks ON tasks.id = attempts.task_id
     WHERE attempts.submission_id = ? ORDER BY attempts.array_index`,
    [submissionId],
  );
}

/**
 * The latest attempts of these tasks that have not ended, as `taskId.number`, locked until the
 * transaction ends. What was read of an attempt before may be outdated: another poller may have ended
 * it, and its task may be at its next attempt by now.
 */
export async function lockOpenAttempts(
  session: Session,
  taskIds: readonly number[],
): Promise<Set<string>> {
  if (taskIds.length === 0) return new Set();
  const these = isOneOf('task_id', taskIds);
  const rows = await select<{ taskId: number; number: number }>(
    session,
    `SELECT task_id AS taskId, number FROM attempts WHERE ${these.sql} AND outcome IS NULL
      FOR UPDATE`,
    these.values,
  );
  return new Set(rows.map(attemptKey));
}

export const attemptKey = ({ taskId, number }: { taskId: number; number: number }): string =>
  `${taskId}.${number}`;

export interface EndedAttempt {
  taskId: number;
  number: number;
  submissionId: number;
  outcome: AttemptOutcome;
  exitCode?: number;
  reason?: string;
  result?: StoredRecord;
  batchAttempt?: number;
}

/**
 * Writes how attempts ended, and how many of their submissions are still open. An attempt that has
 * already ended stays as it is.
 */
export async function endAttempts(
  session: Transaction,
  ended: readonly EndedAttempt[],
  nowMs: number,
): Promise<void> {
  const bySubmission = Map.groupBy(ended, ({ submissionId }) => submissionId);
  // In one order, so that two transactions do not wait for each other.
  for (const [submissionId, attempts] of [...bySubmission].toSorted(([a], [b]) => a - b)) {
    let count = 0;
    for (const rows of inParts(attempts.map(endedRow)))
      count += await endPart(session, submissionId, { rows, nowMs });
    if (count > 0)
      await write(session, 'UPDATE submissions SET open = open - ? WHERE id = ?', [
        count,
        submissionId,
      ]);
  }
}

const endedRow = (one: EndedAttempt) => [
  one.taskId,
  one.number,
  one.outcome,
  one.exitCode ?? null,
  one.reason === undefined ? null : clip(one.reason),
  one.result ? JSON.stringify(one.result) : null,
  one.batchAttempt ?? null,
];

/** Returns how many of the rows ended by this. */
async function endPart(
  session: Transaction,
  submissionId: number,
  { rows, nowMs }: { rows: readonly (readonly unknown[])[]; nowMs: number },
): Promise<number> {
  const result = await write(
    session,
    `UPDATE attempts JOIN JSON_TABLE(?, '$[*]' COLUMNS (
         taskId BIGINT PATH '$[0]', number INT PATH '$[1]', outcome VARCHAR(16) PATH '$[2]',
         exitCode INT PATH '$[3]', reason TEXT PATH '$[4]', result MEDIUMTEXT PATH '$[5]',
         batchAttempt INT PATH '$[6]')) AS ended
       ON ended.taskId = attempts.task_id AND ended.number = attempts.number
     SET attempts.outcome = ended.outcome, attempts.ended_ms = ?,
       attempts.exit_code = ended.exitCode, attempts.reason = ended.reason,
       attempts.result = ended.result, attempts.batch_attempt = ended.batchAttempt
     WHERE attempts.outcome IS NULL AND attempts.submission_id = ?`,
    [JSON.stringify(rows), nowMs, submissionId],
  );
  return result.affectedRows;
}

/** Results of the latest attempts of tasks. */
export async function readResults(
  session: Session,
  attempts: readonly { taskId: number; number: number }[],
): Promise<Map<number, StoredRecord>> {
  if (attempts.length === 0) return new Map();
  const rows = await select<{ taskId: number; result: string }>(
    session,
    `SELECT task_id AS taskId, result FROM attempts
      WHERE (task_id, number) IN (?) AND result IS NOT NULL`,
    [attempts.map(({ taskId, number }) => [taskId, number])],
  );
  return new Map(
    rows.flatMap(({ taskId, result }) => {
      const stored = storedResult(result);
      return stored ? [[taskId, stored] as const] : [];
    }),
  );
}

/** The tasks that were tried before these attempts, by the fleet or by Batch itself. */
export async function readRetried(
  session: Session,
  attempts: readonly { taskId: number; number: number }[],
): Promise<Set<number>> {
  if (attempts.length === 0) return new Set();
  const rows = await select<{ taskId: number }>(
    session,
    `SELECT task_id AS taskId FROM attempts
      WHERE (task_id, number) IN (?) AND (number > 1 OR batch_attempt > 1)`,
    [attempts.map(({ taskId, number }) => [taskId, number])],
  );
  return new Set(rows.map(({ taskId }) => taskId));
}

/** Undefined for one that an earlier version cut in the middle: the column holds 16 MiB. */
export function storedResult(text: string): StoredRecord | undefined {
  try {
    return fromJson<StoredRecord>(text);
  } catch {
    return undefined;
  }
}
