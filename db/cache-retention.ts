/**
 * Old entries of the call cache. An entry is retired first: it gives no more hits. Its rows are deleted when no task
 * can need them: tasks that hit it show its outputs, and a hit that was decided before still copies them.
 */
import type { Session } from './client.ts';
import { ROWS_PER_STEP, type Walked } from './retention.ts';
import { select, write } from './rows.ts';

export interface Retiring {
  /** Entries whose last use (as a source of hits, or as they were written) was before this. */
  unusedSinceMs: number;
  nowMs: number;
  reason: string;
}

/** Walks the entries in the order of ids, which is about that of their making. */
export async function retireEntries(
  session: Session,
  afterId: number,
  { unusedSinceMs, nowMs, reason }: Retiring,
): Promise<Walked> {
  const page = await select<{ id: number; createdMs: number; unused: number }>(
    session,
    `SELECT id, created_ms AS createdMs, (usable = TRUE AND created_ms < ?
       AND COALESCE(last_hit_ms, 0) < ?) AS unused FROM cache_entries WHERE id > ? ORDER BY id LIMIT ?`,
    [unusedSinceMs, unusedSinceMs, afterId, ROWS_PER_STEP],
  );
  const last = page.at(-1);
  const done =
    last === undefined ||
    page.length < ROWS_PER_STEP ||
    page.every(({ createdMs }) => createdMs >= unusedSinceMs);
  const old = page.flatMap(({ id, unused }) => (Number(unused) === 1 ? [id] : []));
  if (old.length === 0) return { next: done ? undefined : last.id, deleted: 0 };
  const retired = await write(
    session,
    `UPDATE cache_entries SET usable = FALSE, invalid_reason = ?, invalid_ms = ?
      WHERE id IN (?) AND usable = TRUE AND COALESCE(last_hit_ms, 0) < ?`,
    [reason, nowMs, old, unusedSinceMs],
  );
  return { next: done ? undefined : last.id, deleted: retired.affectedRows };
}

/** Notes since when entries have been invalid. Returns how many. */
export async function stampInvalid(session: Session, nowMs: number): Promise<number> {
  const stamped = await write(
    session,
    'UPDATE cache_entries SET invalid_ms = ? WHERE usable = FALSE AND invalid_ms IS NULL LIMIT ?',
    [nowMs, ROWS_PER_STEP],
  );
  return stamped.affectedRows;
}

/** Entries that were invalid before a time, and that gave no hit since then. Some of them, without `except`. */
export async function readUselessEntries(
  session: Session,
  beforeMs: number,
  except: readonly number[],
): Promise<number[]> {
  const rows = await select<{ id: number }>(
    session,
    `SELECT id FROM cache_entries WHERE usable = FALSE AND invalid_ms < ?
       AND COALESCE(last_hit_ms, 0) < ? AND id NOT IN (?) LIMIT ?`,
    [beforeMs, beforeMs, [0, ...except], ROWS_PER_STEP],
  );
  return rows.map(({ id }) => id);
}

/** Returns how many; call it until it is fewer than `ROWS_PER_STEP`, and then `deleteEntries`. */
export async function deleteOutputs(
  session: Session,
  entryIds: readonly number[],
): Promise<number> {
  const gone = await write(session, 'DELETE FROM cache_outputs WHERE entry_id IN (?) LIMIT ?', [
    entryIds,
    ROWS_PER_STEP,
  ]);
  return gone.affectedRows;
}

export async function deleteEntries(session: Session, ids: readonly number[]): Promise<number> {
  const gone = await write(
    session,
    'DELETE FROM cache_entries WHERE id IN (?) AND usable = FALSE',
    [ids],
  );
  return gone.affectedRows;
}

export interface UsedFingerprint {
  fingerprint: Buffer;
  usedMs: number;
}

/** Fingerprints that were last computed before a time, in that order, after one of them. */
export function readUnusedFingerprints(
  session: Session,
  after: UsedFingerprint,
  beforeMs: number,
): Promise<UsedFingerprint[]> {
  return select<UsedFingerprint>(
    session,
    `SELECT fingerprint, used_ms AS usedMs FROM cache_fingerprints
      WHERE used_ms < ? AND (used_ms > ? OR (used_ms = ? AND fingerprint > ?))
      ORDER BY used_ms, fingerprint LIMIT ?`,
    [beforeMs, after.usedMs, after.usedMs, after.fingerprint, ROWS_PER_STEP],
  );
}

/** Those that no usable entry has, neither as its fingerprint nor as the one by listings. */
export async function deleteFingerprints(
  session: Session,
  fingerprints: readonly Buffer[],
  beforeMs: number,
): Promise<number> {
  if (fingerprints.length === 0) return 0;
  const rows = await select<{ fingerprint: Buffer }>(
    session,
    `SELECT fingerprint FROM cache_fingerprints WHERE fingerprint IN (?)
       AND NOT EXISTS (SELECT 1 FROM cache_entries WHERE usable = TRUE
         AND cache_entries.fingerprint = cache_fingerprints.fingerprint)
       AND NOT EXISTS (SELECT 1 FROM cache_entries WHERE usable = TRUE
         AND cache_entries.listed_fingerprint = cache_fingerprints.listed_fingerprint)`,
    [fingerprints],
  );
  if (rows.length === 0) return 0;
  const gone = await write(
    session,
    'DELETE FROM cache_fingerprints WHERE fingerprint IN (?) AND used_ms < ?',
    [rows.map(({ fingerprint }) => fingerprint), beforeMs],
  );
  return gone.affectedRows;
}
