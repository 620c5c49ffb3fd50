/**
 * The result record as bytes, for its key: binary, because a key has room for some 530 bytes of it and six outputs
 * with size, ETag and CRC64NVME must fit.
 *
 * ```
 * form (2), flags (1 inputs, 2 error, 4 warnings, 8 sums of inputs, 16 left out)
 * started (varint, ms), duration
 * executors: count; each: exit code, start after the record's, duration, usage (0; or 1, peak memory
 *   in KiB, CPU ms; or 2, the same and bytes read, bytes written)
 * outputs: count; each: output, path, size, CRC64NVME (8 bytes), ETag
 * missing outputs: count, positions
 * inputs: digest (16 bytes), digest of their sums (16 bytes, zero when one is not known);
 *         their sums: count; each: length in bytes (0, 8 or 16), sum
 * warnings: count, texts
 * left out: count, texts
 * error: kind (0 input, 1 output, 2 script, 3 forged; + 4 when transient, + 8 when declared so), subject, message
 * ```
 * An ETag is 0 (not known, or of a form that is in the object's body only), 1 and 16 bytes (32 hex digits), or
 * 1 + number of parts and 16 bytes (a multipart upload's).
 */
import {
  MalformedBytes,
  readBytes,
  writeBytes,
  type ByteReader,
  type ByteWriter,
} from './bytes.ts';
import {
  stagerErrorKinds,
  type ExecutorResult,
  type InputsRead,
  type ResultRecord,
  type StagerError,
  type UploadedFile,
  type Usage,
} from './result.ts';

const FORM = 2;
const HAS_INPUTS = 1;
const HAS_ERROR = 2;
const HAS_WARNINGS = 4;
const HAS_SUMS = 8;
const HAS_LEFT_OUT = 16;
const KNOWN_FLAGS = HAS_INPUTS | HAS_ERROR | HAS_WARNINGS | HAS_SUMS | HAS_LEFT_OUT;

const CRC_BYTES = 8;
const DIGEST_BYTES = 16;
/** In the place of a digest. */
const NOT_KNOWN = '00'.repeat(DIGEST_BYTES);
const KIB = 1024;
const TRANSIENT = 4;
const DECLARED = 8;
const KNOWN_CODES = stagerErrorKinds.length + TRANSIENT + DECLARED;

/** What a record in a key says; the version ids of outputs are not in it. */
export function packRecord(record: ResultRecord): Buffer {
  const to = writeBytes();
  to.byte(FORM);
  to.byte(flagsOf(record));
  to.varint(record.startedMs);
  to.signed(record.endedMs - record.startedMs);
  writeList(to, record.executors, (one) => writeExecutor(to, one, record.startedMs));
  writeList(to, record.outputs, (one) => writeOutput(to, one));
  writeList(to, record.missingOutputs, (position) => to.varint(position));
  if (record.inputs) writeInputs(to, record.inputs);
  if (record.warnings?.length) writeList(to, record.warnings, (text) => to.text(text));
  if (record.leftOut?.length) writeList(to, record.leftOut, (text) => to.text(text));
  if (record.error) writeError(to, record.error);
  return to.finish();
}

function flagsOf({ inputs, error, warnings, leftOut }: ResultRecord): number {
  return (
    (inputs ? HAS_INPUTS : 0) +
    (error ? HAS_ERROR : 0) +
    (warnings?.length ? HAS_WARNINGS : 0) +
    (inputs?.sums ? HAS_SUMS : 0) +
    (leftOut?.length ? HAS_LEFT_OUT : 0)
  );
}

function writeList<T>(to: ByteWriter, list: readonly T[], write: (one: T) => void): void {
  to.varint(list.length);
  for (const one of list) write(one);
}

function writeExecutor(to: ByteWriter, one: ExecutorResult, recordStartedMs: number): void {
  to.byte(one.exitCode);
  to.signed(one.startedMs - recordStartedMs);
  to.signed(one.endedMs - one.startedMs);
  writeUsage(to, one.usage);
}

const NOT_MEASURED = 0;
const MEASURED = 1;
const MEASURED_WITH_FILES = 2;

function writeUsage(to: ByteWriter, usage: Usage | undefined): void {
  if (!usage) return to.byte(NOT_MEASURED);
  const { peakMemoryBytes, cpuMs, readBytes, writtenBytes } = usage;
  const withFiles = readBytes !== undefined && writtenBytes !== undefined;
  to.byte(withFiles ? MEASURED_WITH_FILES : MEASURED);
  to.varint(Math.round(peakMemoryBytes / KIB));
  to.varint(Math.round(cpuMs));
  if (!withFiles) return;
  to.varint(readBytes);
  to.varint(writtenBytes);
}

function writeOutput(to: ByteWriter, file: UploadedFile): void {
  to.varint(file.output);
  to.text(file.path);
  to.varint(file.sizeBytes);
  to.raw(fixed(Buffer.from(file.crc64nvme, 'base64'), CRC_BYTES));
  const etag = /^([0-9a-f]{32})(?:-([1-9]\d{0,4}))?$/.exec(file.etag);
  to.varint(etag ? 1 + Number(etag[2] ?? 0) : 0);
  if (etag?.[1] !== undefined) to.raw(Buffer.from(etag[1], 'hex'));
}

function fixed(bytes: Buffer, length: number): Buffer {
  if (bytes.length !== length)
    throw new RangeError(`${bytes.length} bytes were given where ${length} are kept.`);
  return bytes;
}

function writeInputs(to: ByteWriter, { digest, sumsDigest, sums }: InputsRead): void {
  to.raw(fixed(Buffer.from(digest, 'hex'), DIGEST_BYTES));
  to.raw(fixed(Buffer.from(sumsDigest ?? NOT_KNOWN, 'hex'), DIGEST_BYTES));
  if (!sums) return;
  writeList(to, sums, (sum) => {
    const bytes = Buffer.from(sum ?? '', 'hex');
    to.byte(bytes.length);
    to.raw(bytes);
  });
}

function writeError(to: ByteWriter, error: StagerError): void {
  to.byte(
    stagerErrorKinds.indexOf(error.kind) +
      (error.transient ? TRANSIENT : 0) +
      (error.declared ? DECLARED : 0),
  );
  to.text(error.subject);
  to.text(error.message);
}

/** Whether proven bytes are of a stager of a newer version. Every change of what is written is a new form. */
export const isOfNewerStager = (bytes: Buffer): boolean => (bytes[0] ?? 0) > FORM;

/** Undefined for bytes that no stager of this version writes; never throws. */
export function unpackRecord(bytes: Buffer): ResultRecord | undefined {
  try {
    const from = readBytes(bytes);
    const record = readRecord(from);
    from.end();
    return record;
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined;
    throw error;
  }
}

function readRecord(from: ByteReader): ResultRecord {
  if (from.byte() !== FORM) throw new MalformedBytes('It is of another form.');
  const flags = from.byte();
  if (flags > KNOWN_FLAGS) throw new MalformedBytes('A flag is not known.');
  const startedMs = from.varint();
  const endedMs = startedMs + from.signed();
  const executors = readList(from, () => readExecutor(from, startedMs));
  const outputs = readList(from, () => readOutput(from));
  const missingOutputs = readList(from, () => from.varint());
  return {
    startedMs,
    endedMs,
    executors,
    outputs,
    missingOutputs,
    ...(flags & HAS_INPUTS && { inputs: readInputs(from, (flags & HAS_SUMS) !== 0) }),
    ...(flags & HAS_WARNINGS && { warnings: readList(from, () => from.text()) }),
    ...(flags & HAS_LEFT_OUT && { leftOut: readList(from, () => from.text()) }),
    ...(flags & HAS_ERROR && { error: readError(from) }),
  };
}

/** No item is shorter than a byte: a count that the bytes cannot hold is refused before anything is made for it. */
const MOST_ITEMS = 1_000;

function readList<T>(from: ByteReader, read: () => T): T[] {
  const count = from.varint();
  if (count > MOST_ITEMS) throw new MalformedBytes('A list is too long.');
  return Array.from({ length: count }, read);
}

function readExecutor(from: ByteReader, recordStartedMs: number): ExecutorResult {
  const exitCode = from.byte();
  const startedMs = recordStartedMs + from.signed();
  const endedMs = startedMs + from.signed();
  const usage = readUsage(from);
  return { exitCode, startedMs, endedMs, ...(usage && { usage }) };
}

function readUsage(from: ByteReader): Usage | undefined {
  const measured = from.byte();
  if (measured > MEASURED_WITH_FILES) throw new MalformedBytes('A mark is not known.');
  if (measured === NOT_MEASURED) return undefined;
  const usage = { peakMemoryBytes: from.varint() * KIB, cpuMs: from.varint() };
  if (measured === MEASURED) return usage;
  return { ...usage, readBytes: from.varint(), writtenBytes: from.varint() };
}

function readOutput(from: ByteReader): UploadedFile {
  const output = from.varint();
  const path = from.text();
  const sizeBytes = from.varint();
  const crc64nvme = from.raw(CRC_BYTES).toString('base64');
  const kind = from.varint();
  const hex = kind === 0 ? '' : from.raw(DIGEST_BYTES).toString('hex');
  return { output, path, sizeBytes, crc64nvme, etag: kind > 1 ? `${hex}-${kind - 1}` : hex };
}

function readInputs(from: ByteReader, withSums: boolean): InputsRead {
  const digest = from.raw(DIGEST_BYTES).toString('hex');
  const known = from.raw(DIGEST_BYTES).toString('hex');
  const read = { digest, ...(known !== NOT_KNOWN && { sumsDigest: known }) };
  if (!withSums) return read;
  const sums = readList(from, () => {
    const length = from.byte();
    if (length !== 0 && length !== CRC_BYTES && length !== DIGEST_BYTES)
      throw new MalformedBytes('A sum is of another length.');
    return length === 0 ? null : from.raw(length).toString('hex');
  });
  return { ...read, sums };
}

function readError(from: ByteReader): StagerError {
  const code = from.byte();
  const kind = stagerErrorKinds[code % TRANSIENT];
  if (kind === undefined || code >= KNOWN_CODES) throw new MalformedBytes('A kind is not known.');
  const subject = from.text();
  const message = from.text();
  return {
    kind,
    subject,
    message,
    ...(code & TRANSIENT && { transient: true as const }),
    ...(code & DECLARED && { declared: true as const }),
  };
}
