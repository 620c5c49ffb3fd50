/**
 * Logs of attempts that still run. The stager overwrites one object per stream with a *window*: the
 * newest bytes of the stream, described by the object's user metadata. This file decides when to
 * ship a window, and which part of a window or of the whole log a follower gets next.
 */

/**
 * Size of a window. What a stream prints beyond it between two looks is shown once the attempt has
 * ended.
 */
export const WINDOW_BYTES = 1_048_576;

/** A stream's file as the stager finds it. */
export interface StreamFile {
  ino: number;
  sizeBytes: number;
}

/** A stream as the stager last saw it. */
export interface SeenStream extends StreamFile {
  /** How many times the task had truncated or replaced the file by then. */
  cuts: number;
  /** False while the content seen last is not in S3. */
  shipped: boolean;
}

/**
 * A file that is truncated and exceeds its old size between two looks is taken for one that grew.
 */
export function seeStream(
  before: SeenStream | undefined,
  { ino, sizeBytes }: StreamFile,
): SeenStream {
  if (before === undefined) return { ino, sizeBytes, cuts: 0, shipped: sizeBytes === 0 };
  const cut = ino !== before.ino || sizeBytes < before.sizeBytes;
  const grew = sizeBytes > before.sizeBytes;
  return {
    ino,
    sizeBytes,
    cuts: before.cuts + (cut ? 1 : 0),
    shipped: sizeBytes === 0 || (before.shipped && !cut && !grew),
  };
}

/** Offset in the file at which its window begins. */
export const windowOffset = (sizeBytes: number): number => Math.max(0, sizeBytes - WINDOW_BYTES);

/** The readable part of a stream: a window, or the whole log of an attempt that has ended. */
export interface HeldLog {
  /** Batch's own attempt, from 1. */
  batchAttempt: number;
  /** Undefined for a whole log, which does not record it. */
  cuts?: number;
  firstByte: number;
  endByte: number;
}

/** A window's user metadata in S3. */
export const windowMetadata = ({
  batchAttempt,
  cuts,
  offset,
}: {
  batchAttempt: number;
  cuts: number;
  offset: number;
}): Record<string, string> => ({
  'batch-attempt': String(batchAttempt),
  cuts: String(cuts),
  offset: String(offset),
});

/** Undefined when the metadata is not that of a window. */
export function readWindow(
  metadata: Readonly<Record<string, string>>,
  sizeBytes: number,
): (HeldLog & { cuts: number }) | undefined {
  const count = (name: string): number =>
    /^\d{1,15}$/.test(metadata[name] ?? '') ? Number(metadata[name]) : -1;
  const [batchAttempt, cuts, offset] = [count('batch-attempt'), count('cuts'), count('offset')];
  return Math.min(batchAttempt - 1, cuts, offset) < 0
    ? undefined
    : { batchAttempt, cuts, firstByte: offset, endByte: offset + sizeBytes };
}

/** How far a reader has read one stream of a task, over all its attempts. */
export interface LogPosition {
  /** The task's attempt, from 1; 0 before there is any. */
  attempt: number;
  /** Batch's own attempt within it, from 1; 0 until something of it was seen. */
  batchAttempt: number;
  cuts: number;
  /** From the beginning of the file. */
  bytes: number;
}

export const beginningOf = (attempt: number): LogPosition => ({
  attempt,
  batchAttempt: 0,
  cuts: 0,
  bytes: 0,
});

/** `2.1.0.4096`, for a reader that continues later. Readers treat it as opaque. */
export const formatPosition = ({ attempt, batchAttempt, cuts, bytes }: LogPosition): string =>
  `${attempt}.${batchAttempt}.${cuts}.${bytes}`;

export const POSITION_PATTERN = String.raw`^\d{1,6}\.\d{1,3}\.\d{1,9}\.\d{1,15}$`;

/** @param text matches POSITION_PATTERN */
export function parsePosition(text: string): LogPosition {
  const [attempt = 0, batchAttempt = 0, cuts = 0, bytes = 0] = text.split('.').map(Number);
  return { attempt, batchAttempt, cuts, bytes };
}

/**
 * Why a stream starts over: a new attempt, a retry by Batch itself, or a file that the task
 * truncated or replaced.
 */
export const logBeginnings = ['attempt', 'batch-attempt', 'file'] as const;
export type LogBeginning = (typeof logBeginnings)[number];

/** A line for people where the text does not continue where it ended; undefined where it does. */
export function logMark({
  attempt,
  began,
  skippedBytes = 0,
}: {
  attempt: number;
  began?: LogBeginning | undefined;
  skippedBytes?: number | undefined;
}): string | undefined {
  if (skippedBytes > 0) return `== ${skippedBytes} bytes left out ==`;
  if (began === undefined) return undefined;
  return {
    attempt: `== attempt ${attempt} ==`,
    'batch-attempt': `== attempt ${attempt}, restarted by AWS Batch ==`,
    file: '== the task truncated this file ==',
  }[began];
}

/** The next part: the bytes from `at.bytes` on. */
export interface NextPart {
  at: LogPosition;
  began?: LogBeginning;
  /** Bytes before it that are no longer available, or not yet. */
  skippedBytes: number;
}

/**
 * The part of `held` after `position`; undefined when there is none.
 * @param tailBytes at most this many bytes of its end; earlier bytes do not count as skipped
 */
export function nextPart(
  position: LogPosition,
  held: HeldLog,
  tailBytes = Number.POSITIVE_INFINITY,
): NextPart | undefined {
  const cuts = held.cuts ?? cutsOfWhole(position, held);
  const newer = held.batchAttempt - position.batchAttempt || cuts - position.cuts;
  if (newer < 0) return undefined;
  const reached = newer === 0 ? position.bytes : 0;
  const fromByte = Math.max(reached, held.firstByte, held.endByte - tailBytes);
  if (fromByte >= held.endByte) return undefined;
  const began = held.batchAttempt > position.batchAttempt ? 'batch-attempt' : 'file';
  return {
    at: { attempt: position.attempt, batchAttempt: held.batchAttempt, cuts, bytes: fromByte },
    ...(newer > 0 && position.batchAttempt > 0 && { began }),
    skippedBytes: tailBytes === Number.POSITIVE_INFINITY ? fromByte - reached : 0,
  };
}

/** A whole log that is shorter than what was read of it must have been truncated since. */
function cutsOfWhole(position: LogPosition, { batchAttempt, endByte }: HeldLog): number {
  if (batchAttempt !== position.batchAttempt) return 0;
  return position.cuts + (endByte < position.bytes ? 1 : 0);
}

/** How many bytes at the end belong to an incomplete UTF-8 character: 0 to 3. */
export function unfinishedBytes(text: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, text.length); back += 1) {
    const byte = text[text.length - back] ?? 0;
    const isContinuation = (byte & 0xc0) === 0x80;
    if (isContinuation) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}
