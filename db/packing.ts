/**
 * Ready attempts become a submission in one transaction: the intent is committed before SubmitJob
 * is called.
 */
import { append } from '../core/append.ts';
import { submissionKey, type PackedAttempt, type Ready } from '../core/submission/packing.ts';
import { inTransaction, type Database, type Session, type Transaction } from './client.ts';
import type { ShapeRow } from './job-definitions.ts';
import { select, selectFirst, write } from './rows.ts';

/** The tasks that wait to be packed under a shape (hex). */
export async function readReadyIds(
  session: Session,
  shape: string,
  limit: number,
): Promise<number[]> {
  const rows = await select<{ id: number }>(
    session,
    `SELECT id FROM tasks
      WHERE shape = UNHEX(?) AND submission_id IS NULL AND place = 'submit' ORDER BY id LIMIT ?`,
    [shape, limit],
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
export async function readReady(session: Session, shape: string, limit: number): Promise<Ready> {
  // MySQL may give COALESCE of an unsigned column and 0 as DECIMAL, which arrives as text.
  const row = await selectFirst<Record<keyof Ready, number | string>>(
    session,
    `SELECT COUNT(*) AS count, COALESCE(MIN(moved_ms), 0) AS oldestMs,
       COALESCE(MAX(moved_ms), 0) AS newestMs
     FROM (SELECT moved_ms FROM tasks
       WHERE shape = UNHEX(?) AND submission_id IS NULL AND place = 'submit' LIMIT ?) AS ready`,
    [shape, limit],
  );
  return {
    count: Number(row?.count ?? 0),
    oldestMs: Number(row?.oldestMs ?? 0),
    newestMs: Number(row?.newestMs ?? 0),
  };
}

interface PackRequest {
  shape: ShapeRow;
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
  const owners = request.limitOf ? await noteOwners(database.pool, request.shape) : [];
  return inTransaction(database, async (session) => {
    const packed = request.limitOf
      ? await takeWithinLimits(session, request, owners, request.limitOf)
      : await takeReady(session, request.shape, { most: request.most });
    if (packed.length === 0) return undefined;
    const id = await insertSubmission(session, request, packed);
    await insertAttempts(session, { id, nowMs: request.nowMs }, packed);
    await write(
      session,
      'UPDATE tasks SET submission_id = ?, attempt = attempt + 1, due_ms = NULL WHERE id IN (?)',
      [id, packed.map(({ taskId }) => taskId)],
    );
    return id;
  });
}

/**
 * Owners with ready attempts of a shape. Not in the transaction: inserting and then locking makes
 * packers deadlock.
 */
async function noteOwners(session: Session, { shape }: ShapeRow): Promise<string[]> {
  const rows = await select<{ owner: string; known: number }>(
    session,
    `SELECT ready.owner, owners.owner IS NOT NULL AS known
     FROM (SELECT DISTINCT owner FROM tasks
       WHERE shape = ? AND submission_id IS NULL AND place = 'submit') AS ready
     LEFT JOIN owners ON owners.owner = ready.owner ORDER BY ready.owner`,
    [shape],
  );
  const fresh = rows.filter((row) => row.known === 0).map((row) => [row.owner]);
  if (fresh.length > 0) await write(session, 'INSERT IGNORE INTO owners (owner) VALUES ?', [fresh]);
  return rows.map((row) => row.owner);
}

interface Take {
  most: number;
  owner?: string;
}

async function takeReady(
  session: Session,
  { shape }: ShapeRow,
  { most, owner }: Take,
): Promise<PackedAttempt[]> {
  const rows = await select<{ id: number; attempt: number }>(
    session,
    `SELECT id, attempt FROM tasks
      WHERE shape = ? AND submission_id IS NULL AND place = 'submit'
      ${owner === undefined ? '' : 'AND owner = ?'} ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED`,
    [shape, ...(owner === undefined ? [] : [owner]), most],
  );
  return rows.map((row): PackedAttempt => ({
    taskId: row.id,
    number: row.attempt + 1,
  }));
}

/**
 * Takes attempts owner by owner, up to each limit. Locks the rows in `owners`, so that two packers
 * do not fill the same room.
 */
async function takeWithinLimits(
  session: Session,
  { shape, most }: PackRequest,
  owners: readonly string[],
  limitOf: (owner: string) => number,
): Promise<PackedAttempt[]> {
  if (owners.length === 0) return [];
  await select(session, 'SELECT owner FROM owners WHERE owner IN (?) ORDER BY owner FOR UPDATE', [
    owners,
  ]);
  const inBatch = await countInBatch(session, owners);
  const packed: PackedAttempt[] = [];
  for (const owner of owners) {
    const room = Math.min(limitOf(owner) - (inBatch.get(owner) ?? 0), most - packed.length);
    if (room > 0) append(packed, await takeReady(session, shape, { most: room, owner }));
  }
  return packed;
}

/** Open attempts by owner. Reads a row for each: the limits bound their number. */
async function countInBatch(
  session: Session,
  owners: readonly string[],
): Promise<Map<string, number>> {
  const rows = await select<{ owner: string; open: number }>(
    session,
    `SELECT tasks.owner, COUNT(*) AS open FROM submissions
     JOIN attempts ON attempts.submission_id = submissions.id AND attempts.outcome IS NULL
     JOIN tasks ON tasks.id = attempts.task_id
     WHERE submissions.state <> 'ended' AND tasks.owner IN (?) GROUP BY tasks.owner`,
    [owners],
  );
  return new Map(rows.map((row) => [row.owner, row.open]));
}

async function insertSubmission(
  session: Session,
  request: PackRequest,
  packed: readonly PackedAttempt[],
): Promise<number> {
  const result = await write(
    session,
    `INSERT INTO submissions (submission_key, shape, state, size, queue, job_definition_id, due_ms,
      created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      submissionKey(packed),
      request.shape.shape,
      'packed',
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
