/**
 * The memo of what objects hold: from an object as a listing shows it (URL, ETag, size) to the CRC64NVME of its bytes,
 * or to a directory's sum. A row never changes: another content has another ETag. Rows only save requests and misses,
 * so they may be deleted at any time.
 */
import { forgetOldest } from '../core/forget-oldest.ts';
import { sha256 } from '../core/ids.ts';
import type { Session } from './client.ts';
import { select, write } from './rows.ts';
import { inParts } from './statement-size.ts';

interface ObjectKey {
  url: string;
  etag: string;
  sizeBytes: number;
}

/** 16 bytes. */
const keyOf = ({ url, etag, sizeBytes }: ObjectKey): Buffer =>
  sha256(JSON.stringify([url, etag, sizeBytes])).subarray(0, 16);

/** Sums in hex, by position; undefined for what is not known. */
async function readObjectSums(
  session: Session,
  objects: readonly ObjectKey[],
): Promise<(string | undefined)[]> {
  if (objects.length === 0) return [];
  const keys = objects.map((one) => keyOf(one));
  const rows = await select<{ objectKey: Buffer; sum: Buffer }>(
    session,
    'SELECT object_key AS objectKey, sum FROM object_sums WHERE object_key IN (?)',
    [keys],
  );
  const sums = new Map(
    rows.map(({ objectKey, sum }) => [objectKey.toString('hex'), sum.toString('hex')]),
  );
  return keys.map((key) => sums.get(key.toString('hex')));
}

/** Writes what is not there yet, in the key's order, so that two who write the same do not lock crosswise. */
async function saveObjectSums(
  session: Session,
  objects: readonly (ObjectKey & { sum: string })[],
  nowMs: number,
): Promise<void> {
  const rows = new Map(
    objects.map((one) => {
      const key = keyOf(one);
      return [key.toString('hex'), [key, Buffer.from(one.sum, 'hex'), nowMs]] as const;
    }),
  );
  const sorted = [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  for (const part of inParts(sorted))
    await write(session, 'INSERT IGNORE INTO object_sums (object_key, sum, created_ms) VALUES ?', [
      part,
    ]);
}

/** Rows older than this, at most `limit`. Returns how many were deleted. */
export async function deleteOldObjectSums(
  session: Session,
  beforeMs: number,
  limit: number,
): Promise<number> {
  const done = await write(session, 'DELETE FROM object_sums WHERE created_ms < ? LIMIT ?', [
    beforeMs,
    limit,
  ]);
  return done.affectedRows;
}

/** The same as a text, for maps. */
const nameOf = (one: ObjectKey): string => keyOf(one).toString('base64');

const REMEMBERED = 20_000;

export interface ObjectSums {
  recall(objects: readonly ObjectKey[]): Promise<(string | undefined)[]>;
  learn(objects: readonly (ObjectKey & { sum: string })[]): Promise<void>;
}

/** The memo as a process uses it: what it has read or written itself it neither reads nor writes again. */
export function openObjectSums(session: Session, nowMs: () => number): ObjectSums {
  const known = new Map<string, string>();
  const remember = (key: string, sum: string): void => {
    known.delete(key);
    known.set(key, sum);
    forgetOldest(known, REMEMBERED);
  };
  return {
    async recall(objects) {
      const names = objects.map(nameOf);
      const sums = names.map((name) => known.get(name));
      const asked = objects.flatMap((one, position) =>
        sums[position] === undefined ? [{ one, position }] : [],
      );
      const read = await readObjectSums(
        session,
        asked.map(({ one }) => one),
      );
      for (const [at, { position }] of asked.entries()) {
        const sum = read[at];
        if (sum === undefined) continue;
        sums[position] = sum;
        remember(names[position] ?? '', sum);
      }
      return sums;
    },
    async learn(objects) {
      const fresh = objects.filter((one) => known.get(nameOf(one)) !== one.sum);
      await saveObjectSums(session, fresh, nowMs());
      for (const one of fresh) remember(nameOf(one), one.sum);
    },
  };
}
