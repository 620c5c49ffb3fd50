/** Lines of a body, as they arrive: a scatter of 10,000 is never held as text. */
import type { Readable } from 'node:stream';

export interface Line {
  /** From 1, counted as an editor does. */
  number: number;
  text: string;
}

/** Thrown for a body that is larger than allowed; answered as 413. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge';
  readonly statusCode = 413;
}

export interface LineLimits {
  lineBytes: number;
  totalBytes: number;
}

const NEWLINE = 0x0a;

/** Lines without those that are blank. */
export async function* readLines(body: Readable, limits: LineLimits): AsyncGenerator<Line> {
  let number = 0;
  let total = 0;
  let begun: Buffer[] = [];
  let begunBytes = 0;
  const finish = (): Line | undefined => {
    number += 1;
    const text = Buffer.concat(begun).toString('utf8').replace(/^\uFEFF/, '').trim();
    begun = [];
    begunBytes = 0;
    return text === '' ? undefined : { number, text };
  };
  const add = (part: Buffer): void => {
    begunBytes += part.length;
    if (begunBytes > limits.lineBytes) throw new TooLarge(`Line ${number + 1} is longer than ${limits.lineBytes} bytes.`);
    begun.push(part);
  };

  // Left open when reading stops early: the answer still has to go out on the same connection.
  for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    total += chunk.length;
    if (total > limits.totalBytes) throw new TooLarge(`The body is larger than ${limits.totalBytes} bytes; send it as several scatters.`);
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
