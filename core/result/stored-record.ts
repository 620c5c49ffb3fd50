/**
 * What a row keeps of a result record. The whole record is in S3, as the stager wrote it; a record of 100,000 output
 * files has 20 MB, which a row, a statement and a page of rows cannot hold.
 */
import type { ResultRecord, StagerError, StoredRecord, WholeRecord } from './result.ts';

/** Of the JSON of a record in a row. A task with some 300 output files is below it. */
export const STORED_BYTES = 64 * 1024;

/** Longest record that a stager writes and a worker reads: some 600,000 output files. */
export const LARGEST_RECORD_BYTES = 128 * 1024 ** 2;

const OUTPUTS_BYTES = 24 * 1024;
const WARNINGS_BYTES = 8 * 1024;
const MISSING_OUTPUTS = 1000;
const EXECUTORS = 300;
const LONGEST_TEXT = 2000;

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** The first items that have room. */
function firstOf<T>(items: readonly T[], mostBytes: number): T[] {
  const first: T[] = [];
  let bytes = 0;
  for (const item of items) {
    bytes += bytesOf(item) + 1;
    if (bytes > mostBytes) break;
    first.push(item);
  }
  return first;
}

/** The beginning of a text; half of a surrogate pair at its end is left out. */
export const shorten = (text: string, longest = LONGEST_TEXT): string =>
  text.length <= longest
    ? text
    : `${text.slice(0, longest).replace(/[\uD800-\uDBFF]$/, '')} … (${text.length} characters)`;

const shortError = ({ subject, message, ...rest }: StagerError): StagerError => ({
  ...rest,
  subject: shorten(subject),
  message: shorten(message),
});

/** The executors that a summary keeps: the first ones, and in the place of the last kept one the first that failed. */
function firstExecutors({ executors }: ResultRecord): ResultRecord['executors'] {
  if (executors.length <= EXECUTORS) return executors;
  const failed = executors.find(({ exitCode }) => exitCode !== 0) ?? executors.at(-1);
  const first = executors.slice(0, EXECUTORS - 1);
  return failed === undefined || first.includes(failed) ? first : [...first, failed];
}

const firstTexts = (texts: readonly string[]): string[] =>
  firstOf(
    texts.map((text) => shorten(text)),
    WARNINGS_BYTES,
  );

/** @param whole where the record is, and the digest of its body */
export function toStore(
  record: ResultRecord,
  whole: Pick<WholeRecord, 'key' | 'bytes' | 'sha256'>,
): StoredRecord {
  if (bytesOf(record) <= STORED_BYTES) return record;
  const { inputs, warnings = [], leftOut = [], error } = record;
  return {
    startedMs: record.startedMs,
    endedMs: record.endedMs,
    executors: firstExecutors(record),
    outputs: firstOf(record.outputs, OUTPUTS_BYTES),
    missingOutputs: record.missingOutputs.slice(0, MISSING_OUTPUTS),
    ...(inputs && {
      inputs: {
        digest: inputs.digest,
        ...(inputs.sumsDigest !== undefined && { sumsDigest: inputs.sumsDigest }),
      },
    }),
    ...(warnings.length > 0 && { warnings: firstTexts(warnings) }),
    ...(leftOut.length > 0 && { leftOut: firstTexts(leftOut) }),
    ...(error && { error: shortError(error) }),
    whole: {
      ...whole,
      outputs: record.outputs.length,
      missingOutputs: record.missingOutputs.length,
      warnings: warnings.length,
    },
  };
}

/** JSON of an output around its path: size, checksum, ETag and version id. */
const BYTES_BESIDE_PATH = 200;

/**
 * The record that a stager writes. One that no worker would read is replaced by one without its outputs that says so:
 * exit codes and logs are kept.
 */
export function boundRecord(record: ResultRecord): ResultRecord {
  const bytes = record.outputs.reduce(
    (sum, { path }) => sum + BYTES_BESIDE_PATH + Buffer.byteLength(path),
    0,
  );
  if (bytes <= LARGEST_RECORD_BYTES) return record;
  const message = `The task has ${record.outputs.length} output files. Its result record would have ${bytes} bytes; at most ${LARGEST_RECORD_BYTES} are read. Write fewer files, or pack them into an archive.`;
  return {
    ...record,
    outputs: [],
    error: record.error ?? { kind: 'output', subject: '', message },
  };
}

const MOST_WARNINGS = 100;

/** Warnings as a task shows them: a task is a row, and each warning a statement. */
export function boundWarnings(warnings: readonly string[]): string[] {
  const shown = warnings.slice(0, MOST_WARNINGS).map((text) => shorten(text));
  const more = warnings.length - shown.length;
  return more > 0 ? [...shown, `${more} more warnings are not shown.`] : shown;
}
