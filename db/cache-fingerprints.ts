/** What fingerprints are made of, so that they can be made again from stronger identities, and explained. */
import { packInputs, unpackInputs } from '../core/cache/packed-inputs.ts';
import type { StoredInput } from '../core/cache/stored-input.ts';
import { NOTE_USE_MS } from '../core/retention.ts';
import { type Session } from './client.ts';
import { select, selectFirst, write } from './rows.ts';
import { inParts } from './statement-size.ts';

/** What a fingerprint is made of: see `cacheFingerprints` in db/schema/cache.ts. */
export interface FingerprintRow {
  fingerprint: Buffer;
  base: Buffer;
  listedFingerprint: Buffer;
  inputs: readonly StoredInput[];
}

/**
 * Notes what fingerprints are made of, and that they are used now. The same fingerprint is always made of the same.
 */
export async function saveFingerprints(
  session: Session,
  known: readonly FingerprintRow[],
  nowMs: number,
): Promise<void> {
  if (known.length === 0) return;
  const rows = known
    .toSorted((a, b) => a.fingerprint.compare(b.fingerprint))
    .map(({ fingerprint, base, listedFingerprint, inputs }) => [
      fingerprint,
      base,
      listedFingerprint,
      packInputs(inputs),
      nowMs,
    ]);
  for (const part of inParts(rows)) {
    await write(
      session,
      `INSERT INTO cache_fingerprints (fingerprint, base, listed_fingerprint, inputs, used_ms) VALUES ?
        ON DUPLICATE KEY UPDATE used_ms = IF(used_ms < ?, ?, used_ms)`,
      [part, nowMs - NOTE_USE_MS, nowMs],
    );
  }
}

/** By fingerprint in hex; those that are not known are left out. */
export async function readFingerprints(
  session: Session,
  fingerprints: readonly Buffer[],
): Promise<Map<string, FingerprintRow>> {
  if (fingerprints.length === 0) return new Map();
  const rows = await select<Omit<FingerprintRow, 'inputs'> & { inputs: string }>(
    session,
    'SELECT fingerprint, base, listed_fingerprint AS listedFingerprint, inputs FROM cache_fingerprints WHERE fingerprint IN (?)',
    [fingerprints],
  );
  return new Map(
    rows.map((row) => [
      row.fingerprint.toString('hex'),
      { ...row, inputs: unpackInputs(row.inputs) },
    ]),
  );
}

/** What the fingerprint of a task was made of when it was checked; undefined when it had none. */
export async function readTaskFingerprint(
  session: Session,
  taskId: number,
): Promise<FingerprintRow | undefined> {
  const task = await selectFirst<{ fingerprint: Buffer | null }>(
    session,
    'SELECT fingerprint FROM tasks WHERE id = ?',
    [taskId],
  );
  if (!task?.fingerprint) return undefined;
  return (await readFingerprints(session, [task.fingerprint])).get(
    task.fingerprint.toString('hex'),
  );
}
