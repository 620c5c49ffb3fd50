/**
 * The memo of what tags of images name, shared by the fleet. Times are the database's own: a worker
 * whose clock is wrong believes no answer longer than the others.
 */
import type { Architecture } from '../core/image/architecture.ts';
import type { ImageProblem } from '../core/image/image-seen.ts';
import { sha256 } from '../core/ids.ts';
import type { Session } from './client.ts';
import { fromJson, select, write } from './rows.ts';

const NOW_MS = 'ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000)';

export interface ImageKey {
  image: string;
  architecture: Architecture;
}

/** Digests in hex. */
export type ImageAnswer = { tagged: string; manifest: string } | { problem: ImageProblem };

/** 16 bytes. */
const keyOf = ({ image, architecture }: ImageKey): Buffer =>
  sha256(JSON.stringify([image, architecture])).subarray(0, 16);

interface ImageRow {
  imageKey: Buffer;
  tagged: Buffer | null;
  manifest: Buffer | null;
  problem: string | null;
  isFresh: number;
}

/** What is known, fresh or not; in no order. */
async function readImageDigests<K extends ImageKey>(
  session: Session,
  keys: readonly K[],
): Promise<{ key: K; answer: ImageAnswer; isFresh: boolean }[]> {
  if (keys.length === 0) return [];
  const byKey = new Map(keys.map((key) => [keyOf(key).toString('hex'), key]));
  const rows = await select<ImageRow>(
    session,
    `SELECT image_key AS imageKey, tagged, manifest, problem, fresh_until_ms > ${NOW_MS} AS isFresh
     FROM image_digests WHERE image_key IN (?)`,
    [keys.map((key) => keyOf(key))],
  );
  return rows.flatMap((row) => {
    const key = byKey.get(row.imageKey.toString('hex'));
    const answer = answerIn(row);
    return key && answer ? [{ key, answer, isFresh: row.isFresh === 1 }] : [];
  });
}

/** Undefined before the first answer. */
function answerIn({ tagged, manifest, problem }: ImageRow): ImageAnswer | undefined {
  if (problem !== null) return { problem: fromJson<ImageProblem>(problem) };
  return tagged && manifest
    ? { tagged: tagged.toString('hex'), manifest: manifest.toString('hex') }
    : undefined;
}

/**
 * Gives one caller the right to ask the registry for a limited time; false for the others, and
 * while an answer is fresh.
 */
async function claimImage(session: Session, key: ImageKey, forMs: number): Promise<boolean> {
  await write(
    session,
    'INSERT IGNORE INTO image_digests (image_key, image, architecture) VALUES (?, ?, ?)',
    [keyOf(key), key.image, key.architecture],
  );
  const claimed = await write(
    session,
    `UPDATE image_digests SET claimed_until_ms = ${NOW_MS} + ?
     WHERE image_key = ? AND claimed_until_ms <= ${NOW_MS} AND fresh_until_ms <= ${NOW_MS}`,
    [forMs, keyOf(key)],
  );
  return claimed.affectedRows === 1;
}

/** Keeps an answer, and ends the claim. @param freshMs for how long it counts */
async function saveImageDigest(
  session: Session,
  key: ImageKey,
  { answer, freshMs }: { answer: ImageAnswer; freshMs: number },
): Promise<void> {
  const known = 'problem' in answer ? undefined : answer;
  await write(
    session,
    `INSERT INTO image_digests (image_key, image, architecture, tagged, manifest, problem, resolved_ms, fresh_until_ms)
     VALUES (?, ?, ?, UNHEX(?), UNHEX(?), ?, ${NOW_MS}, ${NOW_MS} + ?)
     ON DUPLICATE KEY UPDATE tagged = VALUES(tagged), manifest = VALUES(manifest), problem = VALUES(problem),
       resolved_ms = VALUES(resolved_ms), fresh_until_ms = VALUES(fresh_until_ms), claimed_until_ms = 0`,
    [
      keyOf(key),
      key.image,
      key.architecture,
      known?.tagged ?? null,
      known?.manifest ?? null,
      'problem' in answer ? JSON.stringify(answer.problem) : null,
      freshMs,
    ],
  );
}

export interface ImageMemo {
  read<K extends ImageKey>(
    keys: readonly K[],
  ): Promise<{ key: K; answer: ImageAnswer; isFresh: boolean }[]>;
  claim(key: ImageKey, forMs: number): Promise<boolean>;
  save(key: ImageKey, answer: ImageAnswer, freshMs: number): Promise<void>;
}

export const openImageMemo = (session: Session): ImageMemo => ({
  read: (keys) => readImageDigests(session, keys),
  claim: (key, forMs) => claimImage(session, key, forMs),
  save: (key, answer, freshMs) => saveImageDigest(session, key, { answer, freshMs }),
});

/** Of images that were not asked for since a time, at most `most`. Returns how many were deleted. */
export async function deleteOldImageDigests(
  session: Session,
  beforeMs: number,
  most: number,
): Promise<number> {
  const done = await write(
    session,
    'DELETE FROM image_digests WHERE resolved_ms < ? AND claimed_until_ms < ? LIMIT ?',
    [beforeMs, beforeMs, most],
  );
  return done.affectedRows;
}
