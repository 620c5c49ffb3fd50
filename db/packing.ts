/**
 * Ready attempts become a submission in one transaction: the intent is committed before SubmitJob
 * is called.
 */
import type { NamedSubmission, PackedAttempt, Ready } from '../core/submission/packing.ts';
import { inTransaction, type Database, type Session, type Transaction } from './client.ts';
import type { ShapeRow } from './job-definitions.ts';
import { isOneOf } from './id-ranges.ts';
import { select, selectFirst, write } from './rows.ts';

/** Attempts of a shape that wait to be packed, and pause no longer. */
const READY = "submission_id IS NULL AND place = 'submit' AND (retry_ms IS NULL OR retry_ms <= ?)";

/** The tasks that wait to be packed under a shape (hex). */
export async function readReadyIds(
  session: Session,
  shape: string,
  { limit, nowMs }: { limit: number; nowMs: number },
): Promise<number[]> {
  const rows = await select<{ id: number }>(
    session,
    `SELECT id FROM tasks WHERE shape = UNHEX(?) AND ${READY} ORDER BY id LIMIT ?`,
    [shape, nowMs, limit],
  );
  return rows.map(({ id }) => id);
}

/** Locks a submission for which SubmitJob was never called; false when it was. */
export async function lockUncalled(session: Transaction, id: number): Promise<boolean> {
  const row = await selectFirst(
    session,
    `SELECT id FROM submissions WHERE id = ? AND state = 'packed' AND calls = 0 FOR UPDATE`,
    [id],
  );
  return row !== undefined;
}

/** The tasks of a submission that ends before it was called are ready again. */
export async function unpackTasks(
  session: Transaction,
  submissionId: number,
  dueMs: number,
): Promise<void> {
  await write(
    session,
    `UPDATE tasks SET submission_id = NULL, due_ms = ? WHERE submission_id = ? AND place = 'submit'`,
    [dueMs, submissionId],
  );
}

/** Ready attempts of a shape (hex). The count is exact up to `limit`. */
export async function readReady(
  session: Session,
  shape: string,
  limit: number,
  nowMs: number,
): Promise<Ready> {
  // MySQL may give COALESCE of an unsigned column and 0 as DECIMAL, which arrives as text.
  const row = await selectFirst<Record<keyof Ready, number | string>>(
    session,
    `SELECT COUNT(*) AS count, COALESCE(MIN(moved_ms), 0) AS oldestMs,
       COALESCE(MAX(moved_ms), 0) AS newestMs
     FROM (SELECT moved_ms FROM tasks WHERE shape = UNHEX(?) AND ${READY} LIMIT ?) AS ready`,
    [shape, nowMs, limit],
  );
  const count = Number(row?.count ?? 0);
  const laterMs = count > 0 ? undefined : await readFirstPaused(session, shape);
  return {
    count,
    oldestMs: Number(row?.oldestMs ?? 0),
    newestMs: Number(row?.newestMs ?? 0),
    ...(laterMs !== undefined && { laterMs }),
  };
}

async function readFirstPaused(session: Session, shape: string): Promise<number | undefined> {
  const row = await selectFirst<{ laterMs: number | null }>(
    session,
    `SELECT MIN(retry_ms) AS laterMs FROM tasks
      WHERE shape = UNHEX(?) AND submission_id IS NULL AND place = 'submit'`,
    [shape],
  );
  return row?.laterMs ?? undefined;
}

/** What a submission is known by, drawn by the caller: packing again draws again. */
export interface DrawnSubmission extends NamedSubmission {
  secret: Buffer;
}

interface PackRequest {
  shape: ShapeRow;
  drawn: DrawnSubmission;
  /** Attempts to take at most. */
  most: number;
  /** How many attempts of an owner may be in Batch at once. Absent when no owner has a limit. */
  limitOf?: ((owner: string) => number) | undefined;
  nowMs: number;
  dueMs: number;
}

/**
 * Takes ready attempts of a shape and commits the intent to submit them. Rows that another packer
 * holds are skipped. Returns the id of the submission, or undefined when no attempt is left or the
 * limits allow none now.
 */
export async function packSubmission(
  database: Database,
  request: PackRequest,
): Promise<number | undefined> {
  const limit = request.limitOf?.(request.shape.owner) ?? Number.POSITIVE_INFINITY;
  const isLimited = Number.isFinite(limit);
  if (isLimited) await noteOwner(database.pool, request.shape);
  return inTransaction(database, async (session) => {
    const most = isLimited ? await roomWithin(session, request, limit) : request.most;
    const packed = most > 0 ? await takeReady(session, request, most) : [];
    if (packed.length === 0) return undefined;
    const id = await insertSubmission(session, request, packed);
    await insertAttempts(session, { id, nowMs: request.nowMs }, packed);
    const these = isOneOf(
      'id',
      packed.map(({ taskId }) => taskId),
    );
    await write(
      session,
      `UPDATE tasks SET submission_id = ?, attempt = attempt + 1, due_ms = NULL WHERE ${these.sql}`,
      [id, ...these.values],
    );
    return id;
  });
}

/** Not in the transaction: inserting and then locking makes packers deadlock. */
async function noteOwner(session: Session, { owner }: ShapeRow): Promise<void> {
  const known = await selectFirst(session, 'SELECT owner FROM owners WHERE owner = ?', [owner]);
  if (!known) await write(session, 'INSERT IGNORE INTO owners (owner) VALUES (?)', [owner]);
}

async function takeReady(
  session: Session,
  { shape: { shape }, nowMs }: PackRequest,
  most: number,
): Promise<PackedAttempt[]> {
  const rows = await select<{ id: number; attempt: number }>(
    session,
    `SELECT id, attempt FROM tasks
      WHERE shape = ? AND ${READY}
      ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED`,
    [shape, nowMs, most],
  );
  return rows.map((row): PackedAttempt => ({
    taskId: row.id,
    number: row.attempt + 1,
  }));
}

/**
 * How many attempts the owner's limit leaves room for. Locks the owner's row, so that two packers
 * do not fill the same room.
 */
async function roomWithin(
  session: Session,
  { shape: { owner }, most }: PackRequest,
  limit: number,
): Promise<number> {
  await select(session, 'SELECT owner FROM owners WHERE owner = ? FOR UPDATE', [owner]);
  return Math.min(most, limit - (await countInBatch(session, owner)));
}

/** Open attempts of an owner. */
export async function countInBatch(session: Session, owner: string): Promise<number> {
  const row = await selectFirst<{ open: number }>(
    session,
    `SELECT CAST(COALESCE(SUM(open), 0) AS SIGNED) AS open FROM submissions
     WHERE state <> 'ended' AND owner = ?`,
    [owner],
  );
  return row?.open ?? 0;
}

async function insertSubmission(
  session: Session,
  request: PackRequest,
  packed: readonly PackedAttempt[],
): Promise<number> {
  const result = await write(
    session,
    `INSERT INTO submissions (submission_key, secret, installation, owner, shape, state, size, open, queue,
      job_definition_id, due_ms, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      request.drawn.submissionKey,
      request.drawn.secret,
      request.drawn.installation,
      request.shape.owner,
      request.shape.shape,
      'packed',
      packed.length,
      packed.length,
      request.shape.queue,
      request.shape.jobDefinitionId,
      request.dueMs,
      request.nowMs,
    ],
  );
  return result.insertId;
}

const ATTEMPTS_PER_INSERT = 5000;

async function insertAttempts(
  session: Session,
  submission: { id: number; nowMs: number },
  packed: readonly PackedAttempt[],
): Promise<void> {
  const rows = packed.map(({ taskId, number }, index) => [
    taskId,
    number,
    submission.id,
    index,
    submission.nowMs,
  ]);
  for (let start = 0; start < rows.length; start += ATTEMPTS_PER_INSERT) {
    await write(
      session,
      'INSERT INTO attempts (task_id, number, submission_id, array_index, created_ms) VALUES ?',
      [rows.slice(start, start + ATTEMPTS_PER_INSERT)],
    );
  }
}
