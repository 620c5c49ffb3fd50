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

/** An object, as the rows and the maps of a process name it: both are made once. */
interface Keyed {
  /** 16 bytes. */
  key: Buffer;
  /** The same as a text, for maps. */
  name: string;
}

function keyed({ url, etag, sizeBytes }: ObjectKey): Keyed {
  const key = sha256(JSON.stringify([url, etag, sizeBytes])).subarray(0, 16);
  return { key, name: key.toString('hex') };
}

/** Sums in hex, by name; what is not known is left out. */
async function readObjectSums(
  session: Session,
  objects: readonly Keyed[],
): Promise<Map<string, string>> {
  if (objects.length === 0) return new Map();
  const rows = await select<{ objectKey: Buffer; sum: Buffer }>(
    session,
    'SELECT object_key AS objectKey, sum FROM object_sums WHERE object_key IN (?)',
    [objects.map(({ key }) => key)],
  );
  return new Map(
    rows.map(({ objectKey, sum }) => [objectKey.toString('hex'), sum.toString('hex')]),
  );
}

/** Writes what is not there yet, in the key's order, so that two who write the same do not lock crosswise. */
async function saveObjectSums(
  session: Session,
  objects: readonly (Keyed & { sum: string })[],
  nowMs: number,
): Promise<void> {
  const distinct = new Map(objects.map((one) => [one.name, one]));
  const rows = [...distinct.values()]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ key, sum }) => [key, Buffer.from(sum, 'hex'), nowMs]);
  for (const part of inParts(rows))
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
      const asked = objects.map(keyed);
      const sums = asked.map(({ name }) => known.get(name));
      const read = await readObjectSums(
        session,
        asked.filter((_, position) => sums[position] === undefined),
      );
      for (const [name, sum] of read) remember(name, sum);
      return asked.map(({ name }, position) => sums[position] ?? read.get(name));
    },
    async learn(objects) {
      const fresh = objects
        .map((one) => ({ ...keyed(one), sum: one.sum }))
        .filter(({ name, sum }) => known.get(name) !== sum);
      await saveObjectSums(session, fresh, nowMs());
      for (const { name, sum } of fresh) remember(name, sum);
    },
  };
}
