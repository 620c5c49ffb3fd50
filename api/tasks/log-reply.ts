/** A followed log as a reply: text for people, NDJSON for programs. */
import {
  formatPosition,
  logMark,
  unfinishedBytes,
  type LogPosition,
} from '../../core/container/live-log.ts';
import type { LogPiece } from './follow-log.ts';
import type { LogLine } from '../schemas/logs.ts';

type Pieces = AsyncIterable<LogPiece>;

/**
 * The output byte for byte, with a line of ours wherever the output does not continue where it
 * ended.
 */
export async function* asText(
  pieces: Pieces,
): AsyncGenerator<string | Uint8Array, void, undefined> {
  let isLineOpen = false;
  for await (const piece of pieces) {
    if (piece.is === 'text') {
      isLineOpen = piece.bytes.at(-1) !== 0x0a;
      yield piece.bytes;
    }
    const mark = markOf(piece);
    if (mark === undefined) continue;
    yield `${isLineOpen ? '\n' : ''}${mark}\n`;
    isLineOpen = false;
  }
}

function markOf(piece: LogPiece): string | undefined {
  if (piece.is === 'skipped')
    return logMark({ attempt: piece.at.attempt, skippedBytes: piece.bytes });
  return piece.is === 'begun'
    ? logMark({ attempt: piece.at.attempt, began: piece.why })
    : undefined;
}

/**
 * Proxies close connections that are silent for a minute; a client treats a longer silence as a
 * dead connection.
 */
const SILENCE_MS = 15_000;

/** Positions are at whole characters, so that a reader that resumes never gets half of one. */
export async function* asLines(
  pieces: Pieces,
  nowMs: () => number,
): AsyncGenerator<string, void, undefined> {
  let unfinished: { bytes: Uint8Array; after: LogPosition } | undefined;
  let lastLineMs = nowMs();
  for await (const piece of pieces) {
    const lines: string[] = [];
    if (piece.is === 'text') {
      const bytes = unfinished
        ? Buffer.concat([unfinished.bytes, piece.bytes])
        : Buffer.from(piece.bytes);
      const left = unfinishedBytes(bytes);
      const text = bytes.toString('utf8', 0, bytes.length - left);
      unfinished =
        left > 0 ? { bytes: bytes.subarray(bytes.length - left), after: piece.after } : undefined;
      if (text !== '')
        lines.push(lineOf({ ...piece.after, bytes: piece.after.bytes - left }, { text }));
    } else if (piece.is === 'waiting') {
      if (nowMs() - lastLineMs >= SILENCE_MS) lines.push('\n');
    } else {
      if (unfinished)
        lines.push(
          lineOf(unfinished.after, { text: Buffer.from(unfinished.bytes).toString('utf8') }),
        );
      unfinished = undefined;
      lines.push(lineOf(piece.at, fieldsOf(piece)));
    }
    if (lines.length === 0) continue;
    lastLineMs = nowMs();
    yield lines.join('');
  }
}

type LineFields = Omit<LogLine, 'attempt' | 'position'>;

const lineOf = (position: LogPosition, fields: LineFields): string =>
  `${JSON.stringify({ attempt: position.attempt, position: formatPosition(position), ...fields } satisfies LogLine)}\n`;

function fieldsOf(piece: Exclude<LogPiece, { is: 'text' | 'waiting' }>): LineFields {
  if (piece.is === 'ended') return { ended: true };
  return piece.is === 'begun' ? { began: piece.why } : { skipped_bytes: piece.bytes };
}
