/**
 * Reads the lines of a body as they arrive, so that a scatter of 10,000 tasks is never held as
 * text.
 */
import type { Readable } from 'node:stream';
import { messageOf } from '../error-message.ts';

export interface Line {
  /** From 1, as in editors. */
  number: number;
  text: string;
}

/**
 * Thrown for a body that is too large (413) or incomplete (400, which its disconnected sender never
 * sees).
 */
class BodyRefused extends Error {
  override readonly name = 'BodyRefused';
  readonly statusCode: 400 | 413;
  constructor(statusCode: 400 | 413, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

export interface LineLimits {
  lineBytes: number;
  totalBytes: number;
}

const NEWLINE = 0x0a;

/** Skips blank lines. */
export async function* readLines(body: Readable, limits: LineLimits): AsyncGenerator<Line> {
  let number = 0;
  let total = 0;
  let begun: Buffer[] = [];
  let begunBytes = 0;
  const finish = (): Line | undefined => {
    number += 1;
    const text = Buffer.concat(begun)
      .toString('utf8')
      .replace(/^\uFEFF/, '')
      .trim();
    begun = [];
    begunBytes = 0;
    return text === '' ? undefined : { number, text };
  };
  const add = (part: Buffer): void => {
    begunBytes += part.length;
    if (begunBytes > limits.lineBytes)
      throw new BodyRefused(
        413,
        `Line ${number + 1} is longer than ${limits.lineBytes} bytes. Make its task smaller.`,
      );
    begun.push(part);
  };

  for await (const chunk of chunksOf(body)) {
    total += chunk.length;
    if (total > limits.totalBytes)
      throw new BodyRefused(
        413,
        `The body is larger than ${limits.totalBytes} bytes. Send it as several scatters.`,
      );
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      add(chunk.subarray(start, end));
      start = end + 1;
      const line = finish();
      if (line) yield line;
    }
    add(chunk.subarray(start));
  }
  const last = finish();
  if (last) yield last;
}

/** Leaves the body open when reading stops early: the reply uses the same connection. */
async function* chunksOf(body: Readable): AsyncGenerator<Buffer> {
  const chunks = body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  try {
    yield* chunks;
  } catch (error) {
    // Refused for a reason of its own, such as no room.
    if (error instanceof Error && 'statusCode' in error) throw error;
    throw new BodyRefused(
      400,
      `The body is incomplete: ${messageOf(error)}. Send the request again.`,
    );
  }
}
