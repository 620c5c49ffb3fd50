/** Replies that go on: over as many connections as it takes, each going on where the one before it ended. */
import { BatchwellError, errorOfAnswer, errorOfSilence } from './errors.ts';
import { decideNext } from './retry.ts';
import { headersOf, urlOf, type Answer, type Call, type Line } from './send.ts';

/** The service says something every 15 s, if only that there is nothing to say. */
const LONGEST_SILENCE_MS = 60_000;

export interface Connecting {
  path: string;
  query: Call['query'];
  accept: string;
  headers?: Record<string, string>;
}

export interface Stream<Item> {
  /** How to go on from what was heard. */
  connect(): Connecting;
  /** What the lines say; undefined for what says only that the service is there. Returns true when there is nothing more to come. */
  read(
    lines: AsyncGenerator<string, void, undefined>,
  ): AsyncGenerator<Item | undefined, boolean, undefined>;
}

/** Ends when there is nothing more to come. Connections that break are made again, up to `tries` in a row that bring nothing. */
export async function* follow<Item>(
  line: Line,
  stream: Stream<Item>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Item, void, undefined> {
  for (let tries = 1; ; tries += 1) {
    const connection = openConnection(signal);
    let failure: Failure = { failed: new Error('the reply broke off') };
    try {
      const answer = await ask(line, stream.connect(), connection, signal);
      if (answer.status === 204) return;
      if (answer.ok && answer.body) {
        const items = stream.read(linesOf(answer.body, connection));
        for (let next = await items.next(); ; next = await items.next()) {
          if (next.done) {
            if (next.value) return;
            break;
          }
          tries = 0;
          if (next.value !== undefined) yield next.value;
        }
      } else
        failure = {
          refused: { status: answer.status, headers: answer.headers, text: await answer.text() },
        };
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

function ask(
  line: Line,
  { path, query, accept, headers }: Connecting,
  connection: Connection,
  signal: AbortSignal | undefined,
): Promise<Response> {
  return line.paces.wait.run(
    () =>
      connection.hear(() =>
        line.fetch(urlOf(line, path, query), {
          redirect: 'manual',
          headers: { ...headersOf(line, { accept }), ...headers },
          signal: connection.signal,
        }),
      ),
    signal,
  );
}

type Failure = { failed: unknown } | { refused: Answer };

async function pauseOrThrow(
  line: Line,
  failure: Failure,
  tries: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ending =
    'refused' in failure
      ? { status: failure.refused.status, retryAfter: failure.refused.headers.get('retry-after') }
      : undefined;
  const next = decideNext(ending, tries, {
    policy: line.policy,
    random: line.random,
    nowMs: line.nowMs(),
  });
  const tried = { origin: new URL(line.url).origin, tries, token: line.token };
  if (!next.again)
    throw 'failed' in failure
      ? errorOfSilence(failure.failed, tried)
      : errorOfAnswer(failure.refused, tried);
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
      const timer = setTimeout(
        () =>
          controller.abort(
            new DOMException(`nothing was heard for ${LONGEST_SILENCE_MS} ms`, 'TimeoutError'),
          ),
        LONGEST_SILENCE_MS,
      );
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

/** Read no faster than they are taken; one that was broken off is none. By a reader: Safari's streams cannot be iterated. */
async function* linesOf(
  body: ReadableStream<Uint8Array>,
  connection: Connection,
): AsyncGenerator<string, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  for (let begun = ''; ;) {
    const { done, value } = await connection.hear(() => reader.read());
    if (done) return;
    const texts = (begun + decoder.decode(value, { stream: true })).split(/\r?\n/);
    begun = texts.pop() ?? '';
    yield* texts;
  }
}
