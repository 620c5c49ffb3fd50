/**
 * Job definitions by content: one row and one registration, however many workers need it at once.
 */
import type { DefinitionContent, Scheduling } from '../core/container/job-definition.ts';
import { NOTE_USE_MS } from '../core/retention.ts';
import type { Session } from './client.ts';
import { fromJson, select, selectFirst, write } from './rows.ts';

export interface JobDefinitionRow {
  id: number;
  digest: Buffer;
  content: DefinitionContent;
  /** name:revision, once registered. */
  revision: string | null;
  /** When this revision was registered. Null while there is none. */
  registeredMs: number | null;
  /** How many times it was registered since Batch last took a job with it. */
  registrations: number;
  /** Since when Batch does not know a revision that it knew before. */
  unknownMs: number | null;
}

/** Returns the id of the row with this content, which is inserted when it is new. */
export async function saveJobDefinition(
  session: Session,
  definition: { digest: Buffer; content: DefinitionContent; nowMs: number },
): Promise<number> {
  const find = async (): Promise<number | undefined> => {
    const row = await selectFirst<{ id: number; lastUsedMs: number }>(
      session,
      'SELECT id, last_used_ms AS lastUsedMs FROM job_definitions WHERE digest = ?',
      [definition.digest],
    );
    if (!row || row.lastUsedMs >= definition.nowMs - NOTE_USE_MS) return row?.id;
    // Definitions in use are not pruned; this one may have been, just now.
    return (await touchDefinition(session, row.id, definition.nowMs)) ? row.id : undefined;
  };
  const known = await find();
  if (known !== undefined) return known;
  await write(
    session,
    `INSERT IGNORE INTO job_definitions (digest, content, created_ms, last_used_ms)
      VALUES (?, ?, ?, ?)`,
    [definition.digest, JSON.stringify(definition.content), definition.nowMs, definition.nowMs],
  );
  const id = await find();
  if (id === undefined)
    throw new Error(
      `Job definition ${definition.digest.toString('hex')} is missing from the database right after it was written.`,
    );
  return id;
}

export async function readJobDefinition(
  session: Session,
  id: number,
): Promise<JobDefinitionRow | undefined> {
  const row = await selectFirst<Omit<JobDefinitionRow, 'content'> & { content: string }>(
    session,
    `SELECT id, digest, content, revision, registered_ms AS registeredMs, registrations,
       unknown_ms AS unknownMs FROM job_definitions WHERE id = ?`,
    [id],
  );
  return row && { ...row, content: fromJson<DefinitionContent>(row.content) };
}

/**
 * Gives one caller the right to register it until `untilMs`. The others get false, and try again
 * later.
 */
export async function claimRegistration(
  session: Session,
  claim: { id: number; nowMs: number; untilMs: number },
): Promise<boolean> {
  const result = await write(
    session,
    `UPDATE job_definitions SET claimed_until_ms = ?
      WHERE id = ? AND revision IS NULL AND claimed_until_ms <= ?`,
    [claim.untilMs, claim.id, claim.nowMs],
  );
  return result.affectedRows === 1;
}

/** Returns the right before it expires. */
export async function releaseRegistration(
  session: Session,
  claim: { id: number; untilMs: number },
): Promise<void> {
  await write(
    session,
    'UPDATE job_definitions SET claimed_until_ms = 0 WHERE id = ? AND claimed_until_ms = ?',
    [claim.id, claim.untilMs],
  );
}

export async function saveRevision(
  session: Session,
  { id, revision, nowMs }: { id: number; revision: string; nowMs: number },
): Promise<void> {
  await write(
    session,
    `UPDATE job_definitions SET revision = ?, registered_ms = ?, registrations = registrations + 1,
       unknown_ms = NULL WHERE id = ? AND revision IS NULL`,
    [revision, nowMs, id],
  );
}

/** Batch took a job with this revision. */
export async function trustRevision(session: Session, id: number, revision: string): Promise<void> {
  await write(
    session,
    `UPDATE job_definitions SET registrations = 0, unknown_ms = NULL
      WHERE id = ? AND revision = ? AND (registrations <> 0 OR unknown_ms IS NOT NULL)`,
    [id, revision],
  );
}

/** Batch does not know a revision that it knew before. */
export async function doubtRevision(
  session: Session,
  { id, revision, nowMs }: { id: number; revision: string; nowMs: number },
): Promise<void> {
  await write(
    session,
    `UPDATE job_definitions SET unknown_ms = ?
      WHERE id = ? AND revision = ? AND unknown_ms IS NULL`,
    [nowMs, id, revision],
  );
}

/** Forgets a revision that Batch no longer knows, so that it is registered again. */
export async function forgetRevision(
  session: Session,
  id: number,
  revision: string,
): Promise<void> {
  await write(
    session,
    `UPDATE job_definitions SET revision = NULL, registered_ms = NULL, unknown_ms = NULL,
       claimed_until_ms = 0 WHERE id = ? AND revision = ?`,
    [id, revision],
  );
}

export interface ShapeRow extends Scheduling {
  shape: Buffer;
  jobDefinitionId: number;
  owner: string;
}

export async function saveShape(
  session: Session,
  row: ShapeRow & { nowMs: number },
): Promise<void> {
  await write(
    session,
    `INSERT INTO shapes (shape, job_definition_id, queue, share, priority, tags, owner, used_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)
      ON DUPLICATE KEY UPDATE job_definition_id = VALUES(job_definition_id),
        used_ms = IF(used_ms < ?, VALUES(used_ms), used_ms)`,
    [
      row.shape,
      row.jobDefinitionId,
      row.queue,
      row.share,
      row.priority,
      Object.keys(row.tags).length > 0 ? JSON.stringify(row.tags) : null,
      row.owner,
      row.nowMs,
      row.nowMs - NOTE_USE_MS,
    ],
  );
}

/** Job queues that tasks were staged for. */
export async function readQueuesOfShapes(session: Session): Promise<string[]> {
  const rows = await select<{ queue: string }>(session, 'SELECT DISTINCT queue FROM shapes');
  return rows.map((row) => row.queue);
}

/** `shape` in hex. */
export async function readShape(session: Session, shape: string): Promise<ShapeRow | undefined> {
  const row = await selectFirst<Omit<ShapeRow, 'tags'> & { tags: string | null }>(
    session,
    `SELECT shape, job_definition_id AS jobDefinitionId, queue, share, priority, tags, owner
      FROM shapes WHERE shape = UNHEX(?)`,
    [shape],
  );
  return row && { ...row, tags: row.tags === null ? {} : fromJson<ShapeRow['tags']>(row.tags) };
}

/** Records that a definition is used now. Used definitions are not pruned. False when there is none. */
export async function touchDefinition(
  session: Session,
  id: number,
  nowMs: number,
): Promise<boolean> {
  const touched = await write(
    session,
    'UPDATE job_definitions SET last_used_ms = GREATEST(last_used_ms, ?) WHERE id = ?',
    [nowMs, id],
  );
  return touched.affectedRows === 1;
}

interface UnusedDefinition {
  id: number;
  revision: string;
}

/** Registered definitions that were last used before a time and that no open submission needs. */
export async function readUnusedDefinitions(
  session: Session,
  { unusedSinceMs, most }: { unusedSinceMs: number; most: number },
): Promise<UnusedDefinition[]> {
  return select<UnusedDefinition>(
    session,
    `SELECT id, revision FROM job_definitions WHERE revision IS NOT NULL AND last_used_ms < ?
       AND NOT EXISTS (SELECT 1 FROM submissions
       WHERE submissions.job_definition_id = job_definitions.id AND submissions.state <> 'ended')
     ORDER BY id LIMIT ?`,
    [unusedSinceMs, most],
  );
}
