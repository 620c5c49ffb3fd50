/**
 * The result record as a key: `<time>.<index>.<attempt>.<base64url of its bytes and their proof>`,
 * relative to the submission's `results/`. A record that does not fit is
 * `<time>.<index>.<attempt>.long.<proof>`, and the object's body holds it.
 *
 * The time is when the attempt ended, by the clock of its host. It only orders the listing, so that new records
 * come last: see core/submission/list-from.ts.
 */
import { indexInKey } from '../files/s3-layout.ts';
import { isProof, PROOF_BYTES, proofOf } from '../submission/proof.ts';
import { implausibleField } from './plausible.ts';
import { isOfNewerStager, packRecord, unpackRecord } from './result-bytes.ts';
import type { ResultRecord, SeenResult } from './result.ts';

/** S3 allows 1,024 bytes; 300 are left to what precedes `results/`. */
const LONGEST_TAIL_BYTES = 1_024 - 300 - 'results/'.length;
const LONG = 'long';

/** Limits of AWS Batch. */
const LARGEST_ARRAY = 10_000;
const MOST_BATCH_ATTEMPTS = 1000;

/** The attempt whose record it is. */
export interface Recorded {
  /** Of the submission. */
  secret: Buffer;
  index: number;
  /** Batch's attempt, from 1. */
  attempt: number;
}

/** Epoch milliseconds, as long until the year 2286. */
const timeInKey = (endedMs: number): string => String(endedMs).padStart(13, '0');

const keyProof = (
  { secret, index, attempt, endedMs }: Recorded & { endedMs: number },
  bytes: Buffer | typeof LONG,
): Buffer => proofOf(secret, 'result-key', [endedMs, index, attempt], bytes);

/** A key that is not before any record that ended at `endedMs` or later. */
export const firstKeyAt = (endedMs: number): string => timeInKey(Math.max(0, endedMs));

/** What keys under `results/` begin with: a time in epoch ms, the array index and Batch's attempt. */
export const headOfKey = ({ index, attempt }: Recorded, ms: number): string =>
  `${timeInKey(ms)}.${indexInKey(index)}.${attempt}.`;

interface KeyHead {
  ms: number;
  index: number;
  attempt: number;
  /** As in the key, and what follows it. */
  text: string;
  rest: string;
}

/** Undefined for a key that no stager writes. */
export function readHead(keyTail: string): KeyHead | undefined {
  const match = /^(\d{13})\.(\d{5,})\.([1-9]\d*)\./.exec(keyTail);
  if (!match) return undefined;
  const [text, timeText, indexText, attemptText] = match;
  const index = Number(indexText);
  const attempt = Number(attemptText);
  if (index >= LARGEST_ARRAY || attempt > MOST_BATCH_ATTEMPTS) return undefined;
  if (indexInKey(index) !== indexText) return undefined;
  return { ms: Number(timeText), index, attempt, text, rest: keyTail.slice(text.length) };
}

export function encodeResultKey(recorded: Recorded, record: ResultRecord): string {
  const { endedMs } = record;
  const stamped = { ...recorded, endedMs };
  const head = headOfKey(recorded, endedMs);
  // What only saves later requests gives way first: the sums of inputs, never what decides.
  for (const candidate of [record, withoutSums(record)]) {
    const bytes = packRecord(candidate);
    const whole = head + Buffer.concat([bytes, keyProof(stamped, bytes)]).toString('base64url');
    if (whole.length <= LONGEST_TAIL_BYTES) return whole;
  }
  return `${head}${LONG}.${keyProof(stamped, LONG).toString('base64url')}`;
}

function withoutSums(record: ResultRecord): ResultRecord {
  if (!record.inputs) return record;
  const { sums: _sums, ...inputs } = record.inputs;
  return { ...record, inputs };
}

/** The array index that a key under `results/` names, whoever wrote it; NaN where it names none. */
export const indexOfKey = (keyTail: string): number =>
  Number.parseInt(keyTail.slice(keyTail.indexOf('.') + 1), 10);

/**
 * What a key under `results/` says. Undefined for a key that no stager of this submission wrote;
 * never throws. The record is absent when it did not fit: read the object's body with
 * `openResultBody`.
 */
export function decodeResultKey(secret: Buffer, keyTail: string): SeenResult | undefined {
  const head = readHead(keyTail);
  const match = /^(long\.)?([A-Za-z0-9_-]+)$/.exec(head?.rest ?? '');
  if (!head || !match) return undefined;
  const [, long, text = ''] = match;
  const { index, attempt, ms: endedMs } = head;
  const recorded = { secret, index, attempt, endedMs };
  const bytes = Buffer.from(text, 'base64url');
  if (long !== undefined)
    return isProof(bytes, keyProof(recorded, LONG)) ? { index, attempt, endedMs } : undefined;
  if (bytes.length <= PROOF_BYTES) return undefined;
  const packed = bytes.subarray(0, -PROOF_BYTES);
  if (!isProof(bytes.subarray(-PROOF_BYTES), keyProof(recorded, packed))) return undefined;
  const read = readProven(packed);
  return read && { index, attempt, endedMs, ...read };
}

function readProven(packed: Buffer): Pick<SeenResult, 'record' | 'isNewer'> | undefined {
  const record = unpackRecord(packed);
  if (!record) return isOfNewerStager(packed) ? { isNewer: true } : undefined;
  return implausibleField(record) === undefined ? { record } : undefined;
}
