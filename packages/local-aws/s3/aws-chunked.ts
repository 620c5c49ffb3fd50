/**
 * The aws-chunked encoding: a body in signed or unsigned chunks, with headers (a checksum) trailing
 * it.
 *
 *   <hex size>[;chunk-signature=<hex>]\r\n <data> \r\n   …   0[;…]\r\n [name:value\r\n]… \r\n
 *
 * Signatures are skipped, not verified. Source: "Signature calculations for trailing headers",
 * S3 API reference.
 */

export interface ChunkedDecoder {
  /** The decoded bytes of this piece; false when the encoding is invalid. */
  push(piece: Buffer): Buffer[] | false;
  /** True when the last chunk and the trailers have been read. */
  ended(): boolean;
  /** Trailing headers by lower-case name. */
  trailers(): ReadonlyMap<string, string>;
}

const LINE_LIMIT_BYTES = 8192;

/** Reads lines that can span several pieces. */
function createLineReader() {
  let held = Buffer.alloc(0);
  return {
    /**
     * The line without its line end, and where it ends. Undefined: more input is needed. False: it
     * is too long.
     */
    read(piece: Buffer, from: number): { line: string; next: number } | undefined | false {
      const end = piece.indexOf(10, from);
      const until = end === -1 ? piece.length : end + 1;
      if (held.length + until - from > LINE_LIMIT_BYTES) return false;
      const bytes =
        held.length === 0
          ? piece.subarray(from, until)
          : Buffer.concat([held, piece.subarray(from, until)]);
      if (end === -1) {
        held = Buffer.from(bytes);
        return undefined;
      }
      held = Buffer.alloc(0);
      return { line: bytes.toString('latin1').replace(/\r?\n$/, ''), next: until };
    },
  };
}

type State = 'size' | 'data' | 'data-end' | 'trailers' | 'ended' | 'broken';

/** A decoder of one body. */
export function createChunkedDecoder(): ChunkedDecoder {
  const lines = createLineReader();
  const trailers = new Map<string, string>();
  let state: State = 'size';
  let left = 0;

  /** The state after a whole line has been read in this one. */
  function afterLine(line: string): State {
    if (state === 'data-end') return line === '' ? 'size' : 'broken';
    if (state === 'size') {
      const size = /^([0-9a-fA-F]{1,12})(;.*)?$/.exec(line)?.[1];
      if (size === undefined) return 'broken';
      left = Number.parseInt(size, 16);
      return left === 0 ? 'trailers' : 'data';
    }
    if (line === '') return 'ended';
    const colon = line.indexOf(':');
    if (colon <= 0) return 'broken';
    trailers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
    return 'trailers';
  }

  return {
    push(piece) {
      const decoded: Buffer[] = [];
      let position = 0;
      while (position < piece.length && state !== 'ended' && state !== 'broken') {
        if (state === 'data') {
          const taken = piece.subarray(position, position + left);
          decoded.push(taken);
          position += taken.length;
          left -= taken.length;
          if (left === 0) state = 'data-end';
          continue;
        }
        const read = lines.read(piece, position);
        if (read === undefined) return decoded;
        state = read === false ? 'broken' : afterLine(read.line);
        position = read === false ? position : read.next;
      }
      return state === 'broken' ? false : decoded;
    },
    ended: () => state === 'ended',
    trailers: () => trailers,
  };
}
