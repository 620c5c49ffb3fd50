/** A request that says which one it is, so that its sender may send it again. */
import { sha256 } from './ids.ts';

export interface RequestKey {
  /** SHA-256 of the key, 32 bytes. */
  digest: Buffer;
  /** SHA-256 of what is asked, 32 bytes: another request under the same key is a mistake of its sender. */
  request: Buffer;
  /** What a repetition gets whose task failed or was cancelled: the same task, or a new one. */
  afterFailure: 'same' | 'anew';
}

const LONGEST_KEY = 255;

export const IDEMPOTENCY_KEY_EXPECTED = `1 to ${LONGEST_KEY} printable ASCII characters`;

export const isIdempotencyKey = (text: string): boolean => text.length <= LONGEST_KEY && /^[\x21-\x7e]+$/.test(text);

export const keyOfHeader = (header: string, asked: unknown): RequestKey => ({ digest: sha256(`header ${header}`), request: sha256(JSON.stringify(asked)), afterFailure: 'same' });
