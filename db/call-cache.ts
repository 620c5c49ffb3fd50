/** The call cache: entries by fingerprint, and their outputs. */
import { inTransaction, type Database, type Session } from './client.ts';
import { replaceOlder } from './replaced-entries.ts';
import { isOneOf } from './id-ranges.ts';
import { fromJson, select, selectFirst, write } from './rows.ts';
import { clip, inParts } from './statement-size.ts';

export interface CacheLookup {
  domain: string;
  fingerprint: Buffer;
}

export interface CacheOutput {
  entryId: number;
  /** Position in the task's declared outputs. */
  output: number;
  /** '' for a FILE, the path below the output's url otherwise. */
  path: string;
  url: string;
  sizeBytes: number;
  crc64nvme: string;
  /** As S3 answered when it was written; '' when it gave none. */
  etag: string;
  versionId: string | null;
}

export interface NewEntry extends CacheLookup {
  listedFingerprint: Buffer;
  taskId: number;
  owner: string;
  name: string;
  runMs: number;
  warnings: readonly string[];
  /** Why older entries of its call can no longer be used; they stay when absent. */
  replaces?: string | undefined;
  outputs: readonly Omit<CacheOutput, 'entryId'>[];
}

export const lookupKey = ({ domain, fingerprint }: CacheLookup): string =>
  `${domain}\n${fingerprint.toString('hex')}`;

/** @param most how many of each entry, the first ones; all when absent */
export async function readEntryOutputs(
  { pool }: Database,
  entryIds: readonly number[],
  most?: number,
): Promise<Map<number, CacheOutput[]>> {
  if (entryIds.length === 0) return new Map();
  const these = isOneOf('entry_id', entryIds);
  const rows = await select<CacheOutput>(
    pool,
    `SELECT entry_id AS entryId, output, path, url, size_bytes AS sizeBytes, crc64nvme, etag, version_id AS versionId FROM cache_outputs
      WHERE ${these.sql} ${most === undefined ? '' : 'AND position < ?'} ORDER BY entry_id, position`,
    [...these.values, ...(most === undefined ? [] : [most])],
  );
  return Map.groupBy(rows, ({ entryId }) => entryId);
}

/** What the runs that wrote these entries warned of, by entry; those without a warning are left out. */
export async function readEntryWarnings(
  { pool }: Database,
  entryIds: readonly number[],
): Promise<Map<number, string[]>> {
  if (entryIds.length === 0) return new Map();
  const these = isOneOf('id', entryIds);
  const rows = await select<{ id: number; warnings: string }>(
    pool,
    `SELECT id, warnings FROM cache_entries WHERE ${these.sql} AND warnings IS NOT NULL`,
    these.values,
  );
  return new Map(rows.map(({ id, warnings }) => [id, fromJson<string[]>(warnings)]));
}

/** How long the runs of these entries took, ms, by entry. */
export async function readRunTimes(
  session: Session,
  entryIds: readonly number[],
): Promise<Map<number, number>> {
  if (entryIds.length === 0) return new Map();
  const these = isOneOf('id', entryIds);
  const rows = await select<{ id: number; runMs: number }>(
    session,
    `SELECT id, run_ms AS runMs FROM cache_entries WHERE ${these.sql}`,
    these.values,
  );
  return new Map(rows.map(({ id, runMs }) => [id, runMs]));
}

/** Of all outputs together, by entry; those without outputs are left out. */
export async function readOutputBytes(
  session: Session,
  entryIds: readonly number[],
): Promise<Map<number, number>> {
  if (entryIds.length === 0) return new Map();
  const these = isOneOf('entry_id', entryIds);
  const rows = await select<{ entryId: number; bytes: number }>(
    session,
    `SELECT entry_id AS entryId, CAST(SUM(size_bytes) AS DOUBLE) AS bytes FROM cache_outputs
      WHERE ${these.sql} GROUP BY entry_id`,
    these.values,
  );
  return new Map(rows.map(({ entryId, bytes }) => [entryId, bytes]));
}

/**
 * Writes entries with their outputs. A task has at most one entry: writing it again changes
 * nothing.
 */
export async function saveEntries(
  database: Database,
  entries: readonly NewEntry[],
  nowMs: number,
): Promise<void> {
  if (entries.length === 0) return;
  await inTransaction(database, async (session) => {
    const fresh = entries.map((entry) => [
      entry.domain,
      entry.fingerprint,
      entry.listedFingerprint,
      entry.taskId,
      entry.owner,
      entry.name,
      entry.runMs,
      entry.warnings.length === 0 ? null : JSON.stringify(entry.warnings),
      nowMs,
    ]);
    for (const part of inParts(fresh))
      await write(
        session,
        'INSERT IGNORE INTO cache_entries (domain, fingerprint, listed_fingerprint, task_id, owner, name, run_ms, warnings, created_ms) VALUES ?',
        [part],
      );
    const written = isOneOf(
      'task_id',
      entries.map(({ taskId }) => taskId),
    );
    const rows = await select<{ id: number; taskId: number }>(
      session,
      `SELECT id, task_id AS taskId FROM cache_entries WHERE ${written.sql}`,
      written.values,
    );
    const ids = new Map(rows.map((row) => [row.taskId, row.id]));
    const outputs = entries.flatMap((entry) =>
      entry.outputs.map((one, position) => [
        ids.get(entry.taskId),
        position,
        one.output,
        one.path,
        one.url,
        one.sizeBytes,
        one.crc64nvme,
        one.etag,
        one.versionId,
      ]),
    );
    for (const part of inParts(outputs))
      await write(
        session,
        'INSERT IGNORE INTO cache_outputs (entry_id, position, output, path, url, size_bytes, crc64nvme, etag, version_id) VALUES ?',
        [part],
      );
    await replaceOlder(session, entries);
  });
}

/** An entry that can no longer be used says why, and is never found again. False when it was already so. */
export async function invalidateEntry(
  { pool }: Database,
  id: number,
  reason: string,
): Promise<boolean> {
  const done = await write(
    pool,
    'UPDATE cache_entries SET usable = FALSE, invalid_reason = ? WHERE id = ? AND usable = TRUE',
    [clip(reason), id],
  );
  return done.affectedRows === 1;
}

/**
 * Adds one hit for each time an entry is named. In the order of ids, so that two callers do not
 * deadlock.
 */
export async function addHits(
  session: Session,
  entryIds: readonly number[],
  nowMs: number,
): Promise<void> {
  const sorted = entryIds.toSorted((a, b) => a - b);
  const groups = Map.groupBy(
    Map.groupBy(sorted, (id) => id),
    ([, same]) => same.length,
  );
  for (const [times, ids] of groups) {
    await write(
      session,
      'UPDATE cache_entries SET hits = hits + ?, last_hit_ms = ? WHERE id IN (?)',
      [times, nowMs, ids.map(([id]) => id)],
    );
  }
}

export interface ExplainedEntry {
  id: number;
  taskId: number;
  owner: string;
  fingerprint: Buffer;
  invalidReason: string | null;
}

/** Usable or not, each at its end of the index: without `usable` there is none, and MySQL reads all entries. */
const newestOf = (usable: 'TRUE' | 'FALSE'): string =>
  `(SELECT id, task_id AS taskId, owner, fingerprint, invalid_reason AS invalidReason FROM cache_entries
    WHERE usable = ${usable} AND fingerprint = ? AND domain = ? ORDER BY id DESC LIMIT 1)`;

/** The newest entry of a fingerprint, valid or not. */
export async function readEntryOf(
  { pool }: Database,
  lookup: CacheLookup,
): Promise<ExplainedEntry | undefined> {
  return selectFirst<ExplainedEntry>(
    pool,
    `${newestOf('TRUE')} UNION ALL ${newestOf('FALSE')} ORDER BY id DESC LIMIT 1`,
    [lookup.fingerprint, lookup.domain, lookup.fingerprint, lookup.domain],
  );
}
