/**
 * Replies without end, over as many connections as needed: each continues where the one before it
 * ended.
 */
import { BatchwellError, errorOfAnswer, errorOfNoAnswer } from './errors.ts';
import { decideNext } from './retry.ts';
import { headersOf, urlOf, type Answer, type Call, type Transport } from './send.ts';

/** The service sends something at least every 15 s, if only a keep-alive. */
const LONGEST_SILENCE_MS = 60_000;

interface Connecting {
  path: string;
  query: Call['query'];
  accept: string;
  headers?: Record<string, string>;
}

export interface Stream<Item> {
  /** The request that continues after what was received so far. */
  connect(): Connecting;
  /** Parses the lines; yields undefined for a keep-alive. Returns true at the end of the stream. */
  read(
    lines: AsyncGenerator<string, void, undefined>,
  ): AsyncGenerator<Item | undefined, boolean, undefined>;
}

/**
 * Ends with the stream. Reconnects after a broken connection, up to `tries` times in a row without
 * an item.
 */
export async function* follow<Item>(
  transport: Transport,
  stream: Stream<Item>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Item, void, undefined> {
  for (let tries = 1; ; tries += 1) {
    const connection = openConnection(signal);
    let failure: Failure = { failed: new Error('the reply broke off') };
    try {
      const answer = await ask(transport, stream.connect(), connection, signal);
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
    await pauseOrThrow(transport, failure, tries, signal);
  }
}

function ask(
  transport: Transport,
  { path, query, accept, headers }: Connecting,
  connection: Connection,
  signal: AbortSignal | undefined,
): Promise<Response> {
  return transport.paces.wait.run(
    () =>
      connection.hear(() =>
        transport.fetch(urlOf(transport, path, query), {
          redirect: 'manual',
          headers: { ...headersOf(transport, { accept }), ...headers },
          signal: connection.signal,
        }),
      ),
    signal,
  );
}

type Failure = { failed: unknown } | { refused: Answer };

async function pauseOrThrow(
  transport: Transport,
  failure: Failure,
  tries: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ending =
    'refused' in failure
      ? { status: failure.refused.status, retryAfter: failure.refused.headers.get('retry-after') }
      : undefined;
  const next = decideNext(ending, tries, {
    policy: transport.policy,
    random: transport.random,
    nowMs: transport.nowMs(),
  });
  const tried = { origin: new URL(transport.url).origin, tries, token: transport.token };
  if (!next.again)
    throw 'failed' in failure
      ? errorOfNoAnswer(failure.failed, tried)
      : errorOfAnswer(failure.refused, tried);
  await transport.sleep(next.pauseMs, signal);
}

interface Connection {
  signal: AbortSignal;
  /** Aborts the connection after the longest silence. */
  hear<T>(listen: () => Promise<T>): Promise<T>;
  close(): void;
}

/** Its signal is aborted with the given one. */
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
            new DOMException(`nothing was received for ${LONGEST_SILENCE_MS} ms`, 'TimeoutError'),
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
      // Otherwise a reply that is not read to its end would keep its connection open.
      controller.abort();
    },
  };
}

/**
 * Reads lines no faster than they are used; an incomplete one is dropped. Uses a reader: Safari's
 * streams cannot be iterated.
 */
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
