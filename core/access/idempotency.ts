/** A request that says which one it is, so that its sender may send it again. */
import { sha256 } from '../ids.ts';
import { problemAt, type Problem } from '../problems.ts';

export interface RequestKey {
  /** SHA-256 of the key, 32 bytes. */
  digest: Buffer;
  /** SHA-256 of what is asked, 32 bytes: another request under the same chosen key is a mistake of its sender. */
  request: Buffer;
  /** The sender chose the key, and answers for it. Otherwise a repetition that asks something else, or whose task failed or was cancelled, is a new task. */
  chosen: boolean;
}

const LONGEST_KEY = 255;

/** Of a client that sends a request again without a key, and counts on being known by what it sends. */
export const keyOfName = (name: string, asked: unknown): RequestKey => ({
  digest: sha256(`client ${name}`),
  request: sha256(JSON.stringify(asked)),
  chosen: false,
});

export const keyOfSender = (key: string, asked: unknown): RequestKey => ({
  digest: sha256(`header ${key}`),
  request: sha256(JSON.stringify(asked)),
  chosen: true,
});

/** A key that the sender wrote. @param field where it stands */
export function readSendersKey(
  given: unknown,
  field: string,
  asked: unknown,
): RequestKey | { problems: Problem[] } {
  if (typeof given === 'string' && given.length <= LONGEST_KEY && /^[\x21-\x7e]+$/.test(given))
    return keyOfSender(given, asked);
  return { problems: [problemAt(field, `1 to ${LONGEST_KEY} printable ASCII characters`, given)] };
}
