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
export async function* gather(
  tasks: AsyncIterable<unknown> | Iterable<unknown>,
  limits: GatherLimits,
): AsyncGenerator<Gathered, void, undefined> {
  const source = openSource(tasks);
  try {
    let first = 0;
    for (let more = true; more;) {
      const body: OpenBody = { tasks: 0, bytes: 0, parts: [] };
      more = await fill(body, source, limits);
      if (body.tasks > 0) yield { first, tasks: body.tasks, lines: new Blob(body.parts) };
      first += body.tasks;
    }
  } finally {
    source.close();
  }
}

interface OpenBody {
  tasks: number;
  bytes: number;
  parts: Uint8Array<ArrayBuffer>[];
}

const encoder = new TextEncoder();

/** Until it has to go. False when the source has ended. */
async function fill(
  body: OpenBody,
  source: Source,
  { most, mostBytes, lingerMs, sleep, signal }: GatherLimits,
): Promise<boolean> {
  const lingering = new AbortController();
  let lingered: Promise<'lingered'> | undefined;
  try {
    while (body.tasks < most) {
      const came = await unlessAborted(
        lingered ? Promise.race([source.peek(), lingered]) : source.peek(),
        signal,
      );
      if (came === 'lingered') return true;
      if (came.done) return false;
      const line = encoder.encode(`${JSON.stringify(came.value)}\n`);
      if (body.tasks > 0 && body.bytes + line.length > mostBytes) return true;
      source.take();
      body.parts.push(line);
      body.bytes += line.length;
      body.tasks += 1;
      if (lingerMs !== undefined)
        lingered ??= quietly(sleep(lingerMs, lingering.signal).then(() => 'lingered' as const));
    }
    return true;
  } finally {
    // Its timer would keep the process alive.
    lingering.abort();
  }
}

/** What fails while nobody looks is seen by whoever looks later, if anybody does. */
function quietly<T>(coming: Promise<T>): Promise<T> {
  coming.catch(() => undefined);
  return coming;
}

interface Source {
  /** What comes next, the same until it is taken. */
  peek(): Promise<IteratorResult<unknown>>;
  take(): void;
  close(): void;
}

function openSource(tasks: AsyncIterable<unknown> | Iterable<unknown>): Source {
  const iterator =
    Symbol.asyncIterator in tasks ? tasks[Symbol.asyncIterator]() : tasks[Symbol.iterator]();
  let coming: Promise<IteratorResult<unknown>> | undefined;
  return {
    peek() {
      coming ??= quietly(Promise.resolve(iterator.next()));
      return coming;
    },
    take() {
      coming = undefined;
    },
    close() {
      // Not waited for: a source that is waiting for its next task itself would hold up the end.
      void Promise.resolve(iterator.return?.()).catch(() => undefined);
    },
  };
}

/** Rejects with the signal's reason when that comes first. Listens anew each time: a promise for all would gather a reaction a task. */
function unlessAborted<T>(coming: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return coming;
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', giveUp, { once: true });
    // Also when it is too late for it: a failure that nobody looks at ends the process.
    coming.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
    if (signal.aborted) giveUp();
  });
}
