/** Submissions, from the committed intent (packing.ts) to their end. */
import type { AwsWait } from '../core/waiting/aws-waits.ts';
import type { SubmissionState } from '../core/submission/states.ts';
import { inTransaction, type Database, type Session } from './client.ts';
import { select, write } from './rows.ts';
import { clip, inParts } from './statement-size.ts';

export interface SubmissionRow {
  id: number;
  submissionKey: string;
  /** 32 bytes; see core/submission/proof.ts. */
  secret: Buffer;
  installation: string;
  owner: string;
  state: SubmissionState;
  size: number;
  /** How many of its attempts have not ended. */
  open: number;
  queue: string;
  /** Hex. */
  shape: string;
  jobDefinitionId: number;
  jobId: string | null;
  calls: number;
  calledMs: number | null;
  submittedMs: number | null;
  runningMs: number | null;
  /** How many of its attempts Batch had not started at the latest look; null before the first. */
  unstarted: number | null;
  cancelMs: number | null;
  /** Why Batch does not start it, once Batch has said so more than once, or why it is blocked. */
  waitingReason: string | null;
  waitingFor: AwsWait | null;
  waitingMs: number | null;
  /** Since when AWS denies what it needs; null otherwise. */
  blockedMs: number | null;
  endedMs: number | null;
  createdMs: number;
}

const COLUMNS = `id, submission_key AS submissionKey, secret, installation, owner,
  LOWER(HEX(shape)) AS shape, state, size, open, queue,
  job_definition_id AS jobDefinitionId, job_id AS jobId, calls, called_ms AS calledMs,
  submitted_ms AS submittedMs, running_ms AS runningMs, unstarted, cancel_ms AS cancelMs,
  waiting_reason AS waitingReason, waiting_for AS waitingFor, waiting_ms AS waitingMs, blocked_ms AS blockedMs, ended_ms AS endedMs, created_ms AS createdMs`;

export async function readSubmissions(
  session: Session,
  ids: readonly number[],
): Promise<SubmissionRow[]> {
  if (ids.length === 0) return [];
  return select<SubmissionRow>(session, `SELECT ${COLUMNS} FROM submissions WHERE id IN (?)`, [
    ids,
  ]);
}

/** By key. Missing ones are left out. */
export async function readSubmissionsByKey(
  session: Session,
  keys: readonly string[],
): Promise<Map<string, SubmissionRow>> {
  const found = new Map<string, SubmissionRow>();
  for (const part of inParts(keys.map((key) => [key]))) {
    const rows = await select<SubmissionRow>(
      session,
      `SELECT ${COLUMNS} FROM submissions WHERE submission_key IN (?)`,
      [part.flat()],
    );
    for (const row of rows) found.set(row.submissionKey, row);
  }
  return found;
}

/** Job queues with running submissions. */
export async function readWatchedQueues(session: Session): Promise<string[]> {
  const rows = await select<{ queue: string }>(
    session,
    `SELECT DISTINCT queue FROM submissions WHERE state = 'running'`,
  );
  return rows.map((row) => row.queue);
}

/** Job queues of submissions made since a time, and of those that have not ended. */
export async function readRecentlyUsedQueues(session: Session, sinceMs: number): Promise<string[]> {
  const rows = await select<{ queue: string }>(
    session,
    `SELECT DISTINCT queue FROM submissions WHERE state <> 'ended' OR created_ms >= ? ORDER BY queue`,
    [sinceMs],
  );
  return rows.map((row) => row.queue);
}

/** Running submissions of a job queue, oldest first. */
export async function readRunning(session: Session, queue: string): Promise<SubmissionRow[]> {
  return select<SubmissionRow>(
    session,
    `SELECT ${COLUMNS} FROM submissions WHERE state = 'running' AND queue = ? ORDER BY id`,
    [queue],
  );
}

/** The intent becomes a call. Only one caller wins, and only from `packed`. */
export async function startCall(
  session: Session,
  call: { id: number; nowMs: number; dueMs: number },
): Promise<boolean> {
  const result = await write(
    session,
    `UPDATE submissions SET state = 'calling', called_ms = ?, due_ms = ?,
       calls = LEAST(calls + 1, 30000)
      WHERE id = ? AND state = 'packed'`,
    [call.nowMs, call.dueMs, call.id],
  );
  return result.affectedRows === 1;
}

/** Batch has certainly not accepted it: back to `packed`, to be called again at `dueMs`. */
export async function takeBackCall(
  session: Session,
  call: { id: number; calledMs: number; dueMs: number },
): Promise<boolean> {
  const result = await write(
    session,
    `UPDATE submissions SET state = 'packed', due_ms = ?
      WHERE id = ? AND state = 'calling' AND called_ms = ?`,
    [call.dueMs, call.id, call.calledMs],
  );
  return result.affectedRows === 1;
}

/**
 * Batch returned a job id: the submission runs, and its tasks move to poll. Returns how many moved.
 */
export function markSubmitted(
  database: Database,
  submitted: { id: number; jobId: string; nowMs: number; dueMs: number },
): Promise<number> {
  return inTransaction(database, async (session) => {
    const result = await write(
      session,
      `UPDATE submissions SET state = 'running', job_id = ?, submitted_ms = ?, due_ms = ?,
         ${NOT_WAITING}, blocked_ms = NULL
        WHERE id = ? AND state = 'calling'`,
      [submitted.jobId, submitted.nowMs, submitted.dueMs, submitted.id],
    );
    if (result.affectedRows === 0) return 0;
    const moved = await write(
      session,
      `UPDATE tasks SET place = 'poll', moved_ms = ?, due_ms = NULL
        WHERE submission_id = ? AND place = 'submit'`,
      [submitted.nowMs, submitted.id],
    );
    return moved.affectedRows;
  });
}

/** A twin owns the prefix of the submission: from now on, that job is watched. */
export async function adoptJob(
  session: Session,
  adopted: { id: number; jobId: string; was: string },
): Promise<void> {
  await write(
    session,
    `UPDATE submissions SET job_id = ? WHERE id = ? AND job_id = ? AND state = 'running'`,
    [adopted.jobId, adopted.id, adopted.was],
  );
}

/** What AWS does with a submission, in its own words. */
export interface AwsWaiting {
  for: AwsWait;
  words: string;
}

/** In this order: MySQL assigns from left to right, and the time is kept while the kind stays. */
const WAITING = `waiting_ms = IF(waiting_for <=> ?, waiting_ms, ?), waiting_for = ?,
  waiting_reason = ?`;
const NOT_WAITING = 'waiting_ms = NULL, waiting_for = NULL, waiting_reason = NULL';

const waitingValues = ({ for: kind, words }: AwsWaiting, nowMs: number): unknown[] => [
  kind,
  nowMs,
  kind,
  clip(words),
];

/** Why a submission waits; null once nothing is known to hold it. */
export async function noteWaiting(
  session: Session,
  id: number,
  waiting: AwsWaiting | null,
  nowMs: number,
): Promise<void> {
  if (waiting)
    await write(session, `UPDATE submissions SET ${WAITING} WHERE id = ?`, [
      ...waitingValues(waiting, nowMs),
      id,
    ]);
  else await write(session, `UPDATE submissions SET ${NOT_WAITING} WHERE id = ?`, [id]);
}

/** AWS denies what a submission needs: why, since when, and when the sweeper looks at it again. */
export async function blockSubmission(
  session: Session,
  blocked: { id: number; waiting: AwsWaiting; nowMs: number; dueMs: number },
): Promise<void> {
  await write(
    session,
    `UPDATE submissions SET ${WAITING}, blocked_ms = COALESCE(blocked_ms, ?), due_ms = ?
      WHERE id = ? AND state IN ('packed', 'calling')`,
    [...waitingValues(blocked.waiting, blocked.nowMs), blocked.nowMs, blocked.dueMs, blocked.id],
  );
}

export async function unblockSubmission(session: Session, id: number): Promise<void> {
  await write(
    session,
    `UPDATE submissions SET ${NOT_WAITING}, blocked_ms = NULL
      WHERE id = ? AND state IN ('packed', 'calling')`,
    [id],
  );
}

/** AWS does not let the jobs of a queue be looked at. */
export async function noteBlindQueue(
  session: Session,
  queue: string,
  { words, nowMs }: { words: string; nowMs: number },
): Promise<void> {
  await write(session, `UPDATE submissions SET ${WAITING} WHERE queue = ? AND state = 'running'`, [
    ...waitingValues({ for: 'permission', words }, nowMs),
    queue,
  ]);
}

/** They were just looked at: the sweeper leaves them until `dueMs`. */
export async function postponeSubmissions(
  session: Session,
  ids: readonly number[],
  dueMs: number,
): Promise<void> {
  if (ids.length > 0)
    await write(session, `UPDATE submissions SET due_ms = ? WHERE id IN (?) AND state <> 'ended'`, [
      dueMs,
      ids,
    ]);
}

/** Ends the submissions whose attempts have all ended. */
export async function endSubmissions(
  session: Session,
  ids: readonly number[],
  nowMs: number,
): Promise<void> {
  if (ids.length === 0) return;
  await write(
    session,
    `UPDATE submissions SET state = 'ended', ended_ms = ?, due_ms = NULL
      WHERE id IN (?) AND state <> 'ended' AND open = 0`,
    [nowMs, ids],
  );
}
