/** A request that says which one it is, so that its sender may send it again. */
import { sha256 } from './ids.ts';

export interface RequestKey {
  /** SHA-256 of the key, 32 bytes. */
  digest: Buffer;
  /** SHA-256 of what is asked, 32 bytes: another request under the same chosen key is a mistake of its sender. */
  request: Buffer;
  /** The sender chose the key, and answers for it. Otherwise a repetition that asks something else, or whose task failed or was cancelled, is a new task. */
  chosen: boolean;
}

const LONGEST_KEY = 255;

export const IDEMPOTENCY_KEY_EXPECTED = `1 to ${LONGEST_KEY} printable ASCII characters`;

export const isIdempotencyKey = (text: string): boolean => text.length <= LONGEST_KEY && /^[\x21-\x7e]+$/.test(text);

/** Of a client that sends a request again without a key, and counts on being known by what it sends. */
export const keyOfName = (name: string, asked: unknown): RequestKey => ({ digest: sha256(`client ${name}`), request: sha256(JSON.stringify(asked)), chosen: false });

export const keyOfHeader = (header: string, asked: unknown): RequestKey => ({ digest: sha256(`header ${header}`), request: sha256(JSON.stringify(asked)), chosen: true });
