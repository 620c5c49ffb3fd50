/** A log as it grows, over as many connections as it takes: each goes on where the one before it ended. */
import { BatchwellError, errorOfAnswer, errorOfSilence, errorOfStranger } from './errors.ts';
import type { FollowOptions } from './operations.ts';
import { decideNext } from './retry.ts';
import { headersOf, queryText, type Line } from './send.ts';
import type { LogLine } from './types.generated.ts';

/** The service says something every 15 s, if only a blank line. */
const LONGEST_SILENCE_MS = 60_000;

/** Ends when the task has ended. Connections that break are made again, up to `tries` in a row that bring nothing. */
export async function* followLog(line: Line, path: string, { signal, from, tailBytes, ...which }: FollowOptions = {}): AsyncGenerator<LogLine, void, undefined> {
  let position = from;
  for (let tries = 1; ; tries += 1) {
    const connection = openConnection(signal);
    let failure: Failure = { failed: new Error('the reply broke off') };
    try {
      const query = { ...which, follow: true, from: position, tail_bytes: position === undefined ? tailBytes : undefined };
      const response = await line.paces.wait.run(() => connection.hear(() => line.fetch(`${line.url}${path}${queryText(query)}`, { headers: headersOf(line, { accept: 'application/x-ndjson' }), signal: connection.signal })), signal);
      if (response.ok && response.body) {
        for await (const one of linesOf(line, response.body, connection)) {
          tries = 1;
          if (one === undefined) continue;
          if (one.ended) return;
          position = one.position;
          yield one;
        }
      } else failure = { status: response.status, retryAfter: response.headers.get('retry-after'), text: await response.text() };
    } catch (error) {
      if (error instanceof BatchwellError) throw error;
      failure = { failed: error };
    } finally {
      connection.close();
    }
    signal?.throwIfAborted();
    await pauseOrThrow(line, failure, tries, signal);
  }
}

type Failure = { failed: unknown } | { status: number; retryAfter: string | null; text: string };

async function pauseOrThrow(line: Line, failure: Failure, tries: number, signal: AbortSignal | undefined): Promise<void> {
  const next = decideNext('failed' in failure ? undefined : failure, tries, { policy: line.policy, random: line.random, nowMs: Date.now() });
  const tried = { origin: new URL(line.url).origin, tries, token: line.token };
  if (!next.again) throw 'failed' in failure ? errorOfSilence(failure.failed, tried) : errorOfAnswer(failure, tried);
  await line.sleep(next.pauseMs, signal);
}

interface Connection {
  signal: AbortSignal;
  /** Gives up what takes longer than the longest silence. */
  hear<T>(listen: () => Promise<T>): Promise<T>;
  close(): void;
}

/** Its signal fires when the given one does. */
function openConnection(signal: AbortSignal | undefined): Connection {
  const controller = new AbortController();
  const giveUp = (): void => controller.abort(signal?.reason);
  if (signal?.aborted) giveUp();
  signal?.addEventListener('abort', giveUp, { once: true });
  return {
    signal: controller.signal,
    async hear(listen) {
      const timer = setTimeout(() => controller.abort(new DOMException(`nothing was heard for ${LONGEST_SILENCE_MS} ms`, 'TimeoutError')), LONGEST_SILENCE_MS);
      try {
        return await listen();
      } finally {
        clearTimeout(timer);
      }
    },
    close() {
      signal?.removeEventListener('abort', giveUp);
      // A reply that is not read to its end would keep its connection open.
      controller.abort();
    },
  };
}

/** Read no faster than they are taken; undefined for a blank one. By a reader: Safari's streams cannot be iterated. */
async function* linesOf(line: Line, body: ReadableStream<Uint8Array>, connection: Connection): AsyncGenerator<LogLine | undefined, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  for (let begun = ''; ; ) {
    const { done, value } = await connection.hear(() => reader.read());
    if (done) return;
    const texts = (begun + decoder.decode(value, { stream: true })).split('\n');
    begun = texts.pop() ?? '';
    for (const text of texts) yield text === '' ? undefined : parse(line, text);
  }
}

function parse(line: Line, text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch (cause) {
    throw errorOfStranger(text, cause, { origin: new URL(line.url).origin, tries: 1, token: line.token });
  }
}
