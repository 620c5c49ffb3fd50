/** Server-sent events: read from one connection after the other, each going on where the last one broke off. */
import { errorOfAnswer, errorOfSilence } from './errors.ts';
import { decideNext } from './retry.ts';
import { bearerOf, urlOf, type Call, type Line } from './send.ts';
import type { ScatterReply, TaskEvent } from './types.generated.ts';

export type BatchwellEvent = (
  /** Where a task stands now. */
  | { event: 'task'; data: TaskEvent }
  /** Of a scatter: at the start, and some seconds after something changed in it. */
  | { event: 'scatter'; data: ScatterReply }
  /** The listener was away for longer than the service keeps changes: some were not told. */
  | { event: 'missed'; data: { message: string } }
) & {
  /** With it as `lastEventId` another stream goes on from here; some events may be told again. */
  lastEventId?: string;
};

export interface FollowOptions {
  signal?: AbortSignal | undefined;
  lastEventId?: string | undefined;
}

/** The service says something every 15 s, if only that there is nothing to say. */
const SILENCE_MS = 60_000;

/** What became of a connection: `broken` also when it was never there. */
type Ending = { refused: { status: number; retryAfter: string | null; text: string } } | { broken: unknown };

/** Ends when the service has nothing more to tell. Rejects as every call does. */
export async function* followEvents(line: Line, query: Call['query'], { signal, lastEventId }: FollowOptions): AsyncGenerator<BatchwellEvent, void, undefined> {
  let last = lastEventId;
  for (let tries = 1; ; tries += 1) {
    const connection = openConnection(signal);
    let ending: Ending;
    try {
      const answer = await line.fetch(urlOf(line, '/v1/events', query), { headers: headersOf(line, last), signal: connection.signal });
      if (answer.status === 204) return;
      if (answer.status === 200 && answer.body) {
        tries = 0;
        for await (const { id, event, data } of readBlocks(answer.body, connection.heard)) {
          last = id ?? last;
          if (data !== '') yield { event, data: JSON.parse(data), ...(last !== undefined && { lastEventId: last }) } as BatchwellEvent;
        }
        ending = { broken: undefined };
      } else ending = { refused: { status: answer.status, retryAfter: answer.headers.get('retry-after'), text: await answer.text() } };
    } catch (broken) {
      ending = { broken };
    } finally {
      connection.close();
    }
    signal?.throwIfAborted();
    await pauseAfter(line, ending, { tries, signal });
  }
}

/** Rejects when another connection would not help. @param tries in a row that gave no stream; one that did and broke off is always opened again */
async function pauseAfter(line: Line, ending: Ending, { tries, signal }: { tries: number; signal: AbortSignal | undefined }): Promise<void> {
  const next = decideNext('refused' in ending ? ending.refused : undefined, Math.max(1, tries), { policy: line.policy, random: line.random, nowMs: Date.now() });
  if (tries > 0 && !next.again) {
    const tried = { origin: new URL(line.url).origin, tries, token: line.token };
    throw 'refused' in ending ? errorOfAnswer(ending.refused, tried) : errorOfSilence(ending.broken, tried);
  }
  await line.sleep(next.pauseMs, signal);
}

const headersOf = ({ token }: Line, last: string | undefined): Record<string, string> => ({ accept: 'text/event-stream', ...bearerOf(token), ...(last !== undefined && { 'last-event-id': last }) });

/** Its signal fires as the given one does, or after a long silence. */
function openConnection(given: AbortSignal | undefined) {
  const controller = new AbortController();
  const giveUp = (): void => controller.abort(given?.reason);
  if (given?.aborted) giveUp();
  given?.addEventListener('abort', giveUp, { once: true });
  const lose = (): void => controller.abort(new DOMException(`Nothing was heard for ${SILENCE_MS / 1000} s`, 'TimeoutError'));
  let timer = setTimeout(lose, SILENCE_MS);
  return {
    signal: controller.signal,
    heard(): void {
      clearTimeout(timer);
      timer = setTimeout(lose, SILENCE_MS);
    },
    close(): void {
      clearTimeout(timer);
      given?.removeEventListener('abort', giveUp);
      controller.abort();
    },
  };
}

interface Block {
  event: string;
  data: string;
  id?: string;
}

/** The blocks of an event stream (https://html.spec.whatwg.org/multipage/server-sent-events.html), as far as this service uses it. */
async function* readBlocks(body: ReadableStream<Uint8Array>, heard: () => void): AsyncGenerator<Block> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let unread = '';
  for (;;) {
    const { done, value } = await reader.read();
    // A block that was broken off is none.
    if (done) return;
    heard();
    unread += decoder.decode(value, { stream: true });
    const blocks = unread.split(/\r?\n\r?\n/);
    unread = blocks.pop() ?? '';
    yield* blocks.map(readBlock);
  }
}

function readBlock(text: string): Block {
  const fields = text.split(/\r?\n/).map((row): [string, string] => {
    const colon = row.indexOf(':');
    return colon === -1 ? [row, ''] : [row.slice(0, colon), row.slice(colon + 1).replace(/^ /, '')];
  });
  const valuesOf = (name: string): string[] => fields.flatMap(([field, value]) => (field === name ? [value] : []));
  const id = valuesOf('id').at(-1);
  return { event: valuesOf('event').at(-1) ?? 'message', data: valuesOf('data').join('\n'), ...(id !== undefined && { id }) };
}
