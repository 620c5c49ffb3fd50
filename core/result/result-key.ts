/**
 * The result record as a key: `<index>.<attempt>.<base64url of its bytes>`, relative to the
 * submission's `results/`.
 */
import { indexInKey } from '../files/s3-layout.ts';
import { implausibleField } from './plausible.ts';
import { packRecord, unpackRecord } from './result-bytes.ts';
import type { ResultRecord, SeenResult } from './result.ts';

/** S3 allows 1,024 bytes; 300 are left to what precedes `results/`. */
const LONGEST_TAIL_BYTES = 1_024 - 300 - 'results/'.length;
const LONG = 'long';

/** Limits of AWS Batch. */
const LARGEST_ARRAY = 10_000;
const MOST_BATCH_ATTEMPTS = 1000;

/** @param attempt from 1 */
export function encodeResultKey(index: number, attempt: number, record: ResultRecord): string {
  const head = `${indexInKey(index)}.${attempt}.`;
  // What only saves later requests gives way first: the sums of inputs, never what decides.
  for (const candidate of [record, withoutSums(record)]) {
    const whole = head + packRecord(candidate).toString('base64url');
    if (whole.length <= LONGEST_TAIL_BYTES) return whole;
  }
  return head + LONG;
}

function withoutSums(record: ResultRecord): ResultRecord {
  if (!record.inputs) return record;
  const { sums: _sums, ...inputs } = record.inputs;
  return { ...record, inputs };
}

/**
 * What a key under `results/` says. Undefined for a key that no stager writes; never throws.
 * The record is absent when it did not fit: read the object's body with `parseResultBody`.
 */
export function decodeResultKey(keyTail: string): SeenResult | undefined {
  const match = /^(\d{5,})\.([1-9]\d*)\.([A-Za-z0-9_-]+)$/.exec(keyTail);
  if (!match) return undefined;
  const [, indexText, attemptText, body = ''] = match;
  const index = Number(indexText);
  const attempt = Number(attemptText);
  if (index >= LARGEST_ARRAY || attempt > MOST_BATCH_ATTEMPTS) return undefined;
  if (indexInKey(index) !== indexText) return undefined;
  if (body === LONG) return { index, attempt };
  const record = unpackRecord(Buffer.from(body, 'base64url'));
  return record && implausibleField(record) === undefined ? { index, attempt, record } : undefined;
}
