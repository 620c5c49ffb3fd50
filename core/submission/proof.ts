/**
 * Proofs. Everything in the work bucket that decides something carries a proof made with the secret
 * of its submission, which only the fleet and the submission's own containers have; the lease, with
 * the secret of the installation. What another task writes there has none, and changes nothing.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto';

/** The variable that hands the secret to the stager, which takes it out of the task's environment. */
export const SECRET_VARIABLE = 'BATCHWELL_SUBMISSION_SECRET';

/** Bytes of a submission's secret. */
export const SECRET_BYTES = 32;
/** Bytes of a proof: an HMAC-SHA256, cut. */
export const PROOF_BYTES = 16;
export const NONCE_BYTES = 12;

/** What is proven. A proof for one use counts for no other. */
type ProofUse =
  | 'start'
  | 'hint'
  | 'result-key'
  | 'result-body'
  | 'owner'
  | 'lease'
  | 'seal'
  | 'nonce';

const macKeys = new WeakMap<Buffer, KeyObject>();

/** An HMAC with a key that is bytes makes a KeyObject of it each time: 13 instead of 3 µs. */
function macKey(secret: Buffer): KeyObject {
  const key = macKeys.get(secret) ?? createSecretKey(secret);
  macKeys.set(secret, key);
  return key;
}

function mac(
  secret: Buffer,
  use: ProofUse,
  about: readonly (string | number)[],
  bytes: Buffer | string,
): Buffer {
  if (secret.length !== SECRET_BYTES)
    throw new RangeError(`A secret has ${SECRET_BYTES} bytes; this has ${secret.length}.`);
  // JSON ends what precedes the bytes unambiguously.
  return createHmac('sha256', macKey(secret))
    .update(`${JSON.stringify([use, ...about])}\n`)
    .update(bytes)
    .digest();
}

/** @param about what else is proven beside the bytes, such as the array index */
export const proofOf = (
  secret: Buffer,
  use: Exclude<ProofUse, 'seal' | 'nonce'>,
  about: readonly (string | number)[],
  bytes: Buffer | string,
): Buffer => mac(secret, use, about, bytes).subarray(0, PROOF_BYTES);

export const isProof = (given: Buffer, expected: Buffer): boolean =>
  given.length === expected.length && timingSafeEqual(given, expected);

export interface Sealed {
  /** 12 bytes. */
  nonce: Buffer;
  /** As long as the text. */
  bytes: Buffer;
  /** 16 bytes. */
  tag: Buffer;
}

const CIPHER = 'aes-256-gcm';

const sealKeys = new WeakMap<Buffer, KeyObject>();

/** A wide manifest seals 10,000 times with one secret. */
function sealKey(secret: Buffer): KeyObject {
  const key = sealKeys.get(secret) ?? createSecretKey(mac(secret, 'seal', [], ''));
  sealKeys.set(secret, key);
  return key;
}

/**
 * Encrypts bytes and proves them together with `head` (AES-256-GCM). The nonce is made from the
 * attempt, the index, and the content: the same attempts give the same bytes, and no nonce is used
 * for two contents.
 */
export function seal(
  secret: Buffer,
  { attempt, index }: { attempt: string; index: number },
  head: Buffer,
  bytes: Buffer,
): Sealed {
  const nonce = mac(secret, 'nonce', [attempt, index], Buffer.concat([head, bytes])).subarray(
    0,
    NONCE_BYTES,
  );
  const cipher = createCipheriv(CIPHER, sealKey(secret), nonce);
  cipher.setAAD(head);
  const sealed = Buffer.concat([cipher.update(bytes), cipher.final()]);
  return { nonce, bytes: sealed, tag: cipher.getAuthTag() };
}

/** The bytes; undefined when they, or the head, are not what was sealed with this secret. */
export function unseal(
  secret: Buffer,
  head: Buffer,
  { nonce, bytes, tag }: Sealed,
): Buffer | undefined {
  const decipher = createDecipheriv(CIPHER, sealKey(secret), nonce, {
    authTagLength: PROOF_BYTES,
  });
  decipher.setAAD(head);
  decipher.setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(bytes), decipher.final()]);
  } catch {
    return undefined;
  }
}
