/** Identifies a request by a key, so that its sender can retry it. */
import { createHash } from 'node:crypto';
import { sha256 } from '../ids.ts';
import { problemAt, type Problem } from '../problems.ts';

export interface RequestKey {
  /** SHA-256 of the key, 32 bytes. */
  digest: Buffer;
  /**
   * SHA-256 of the request, 32 bytes: a different request under the same chosen key is a mistake of
   * its sender.
   */
  request: Buffer;
  /**
   * The sender chose the key and is responsible for it. With any other key, a repeated request is a
   * new task if it differs, or if the first task failed or was cancelled.
   */
  chosen: boolean;
}

const LONG_TEXT = 1024;

/**
 * Of a scatter, task by task: all as one text can be longer than a string may be. A long text counts by its digest, made
 * once: the 10,000 rows of a template share it.
 */
function digestOf(asked: unknown): Buffer {
  const { tasks, ...head } = (asked ?? {}) as { tasks?: unknown };
  if (!Array.isArray(tasks)) return sha256(JSON.stringify(asked));
  const digests = new Map<string, string>();
  const shorten = (_: string, value: unknown): unknown => {
    if (typeof value !== 'string' || value.length <= LONG_TEXT) return value;
    const digest = digests.get(value) ?? sha256(value).toString('hex');
    digests.set(value, digest);
    return { digest };
  };
  const hash = createHash('sha256').update(JSON.stringify(head));
  for (const task of tasks) hash.update(`\n${JSON.stringify(task, shorten)}`);
  return hash.digest();
}

const LONGEST_KEY = 255;

/**
 * For a client that retries without a key, and expects to be recognized by the content of the
 * request.
 */
export const keyOfName = (name: string, asked: unknown): RequestKey => ({
  digest: sha256(`client ${name}`),
  request: sha256(JSON.stringify(asked)),
  chosen: false,
});

export const keyOfSender = (key: string, asked: unknown): RequestKey => ({
  digest: sha256(`header ${key}`),
  request: digestOf(asked),
  chosen: true,
});

/** The key that the sender chose. @param field where the key was given */
export function readSendersKey(
  given: unknown,
  field: string,
  asked: unknown,
): RequestKey | { problems: Problem[] } {
  if (typeof given === 'string' && given.length <= LONGEST_KEY && /^[\x21-\x7e]+$/.test(given))
    return keyOfSender(given, asked);
  return { problems: [problemAt(field, `1 to ${LONGEST_KEY} printable ASCII characters`, given)] };
}
