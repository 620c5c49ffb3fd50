/** Cuts an endless stream of tasks into bodies of scatters. The source is read no further than the body under way. */
import type { Sleep } from './pace.ts';

export interface GatherLimits {
  /** Tasks in a body. */
  most: number;
  mostBytes: number;
  /** A body goes so long after its first task, also when it is not full; undefined: only when it is full or the source has ended. */
  lingerMs: number | undefined;
  sleep: Sleep;
  signal: AbortSignal | undefined;
}

export interface Gathered {
  /** Position of its first task in the source, from 0. */
  first: number;
  tasks: number;
  /** NDJSON. Held whole, unlike a stream, so that it can be sent again; and browsers other than Chrome send no streams. */
  lines: Blob;
}

/** One JSON text a task. When the source fails, so does this: what it gave since the last body is not in any. */
export async function* gather(source: AsyncIterable<unknown> | Iterable<unknown>, limits: GatherLimits): AsyncGenerator<Gathered, void, undefined> {
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let body = openBody(0);
  let lingered: Promise<'lingered'> | undefined;
  let coming: Promise<IteratorResult<unknown>> | undefined;
  try {
    for (;;) {
      coming ??= nextOf(iterator);
      const came = await unlessAborted(lingered ? Promise.race([coming, lingered]) : coming, limits.signal);
      const line = came === 'lingered' || came.done ? undefined : encode(came.value);
      if (isDue(body, line, limits)) {
        yield close(body);
        body = openBody(body.first + body.tasks);
        lingered = undefined;
      }
      if (came === 'lingered') continue;
      if (line === undefined) return;
      coming = undefined;
      body.parts.push(line);
      body.bytes += line.length;
      body.tasks += 1;
      lingered ??= lingerWith(limits);
    }
  } finally {
    // Not waited for: a source that is waiting for its next task itself would hold up the end of this.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

interface OpenBody {
  first: number;
  tasks: number;
  bytes: number;
  parts: Uint8Array<ArrayBuffer>[];
}

const openBody = (first: number): OpenBody => ({ first, tasks: 0, bytes: 0, parts: [] });
/** Whether it has to go before another line comes, or because none does. */
const isDue = (body: OpenBody, line: Uint8Array | undefined, { most, mostBytes }: GatherLimits): boolean =>
  body.tasks > 0 && (line === undefined || body.tasks >= most || body.bytes + line.length > mostBytes);
const close = ({ first, tasks, parts }: OpenBody): Gathered => ({ first, tasks, lines: new Blob(parts) });

const lingerWith = ({ lingerMs, sleep }: GatherLimits): Promise<'lingered'> | undefined => (lingerMs === undefined ? undefined : sleep(lingerMs).then(() => 'lingered' as const));

const encoder = new TextEncoder();
const encode = (task: unknown): Uint8Array<ArrayBuffer> => encoder.encode(`${JSON.stringify(task)}\n`);

/** Its failure is kept for when it is looked at: while a body is being sent, nobody does. */
function nextOf(iterator: AsyncIterator<unknown> | Iterator<unknown>): Promise<IteratorResult<unknown>> {
  const coming = Promise.resolve(iterator.next());
  coming.catch(() => undefined);
  return coming;
}

/** Rejects with the signal's reason when that comes first. Listens anew each time: a promise for all would gather a reaction a task. */
function unlessAborted<T>(coming: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return coming;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const giveUp = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', giveUp, { once: true });
    coming.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}
