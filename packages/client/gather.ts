/**
 * Divides an endless stream of tasks into request bodies for scatters. Reads the source no further
 * than the current body.
 */
import type { Sleep } from './pace.ts';

export interface GatherLimits {
  /** Most tasks in a body. */
  most: number;
  mostBytes: number;
  /**
   * A body that is not full is sent this long after its first task. Undefined: only when it is full
   * or the source has ended.
   */
  lingerMs: number | undefined;
  sleep: Sleep;
  signal: AbortSignal | undefined;
}

export interface Gathered {
  /** Position of its first task in the source, from 0. */
  first: number;
  tasks: number;
  /** NDJSON. Unlike a stream, it can be sent again; also, no browser but Chrome sends streams. */
  lines: Blob;
}

/**
 * Writes each task as one line. Fails when the source fails; tasks since the last body are then in
 * no body.
 */
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

/** Fills the body until it has to be sent. False when the source has ended. */
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
    // Otherwise its timer would keep the process alive.
    lingering.abort();
  }
}

/** Prevents an unhandled rejection if the promise fails before it is awaited. */
function quietly<T>(coming: Promise<T>): Promise<T> {
  coming.catch(() => undefined);
  return coming;
}

interface Source {
  /** The next item; the same one until it is taken. */
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
      // Not awaited: a source that is itself waiting for its next task would delay the end.
      void Promise.resolve(iterator.return?.()).catch(() => undefined);
    },
  };
}

/**
 * Rejects with the signal's reason if the signal is aborted first. Adds a listener for each call:
 * one shared promise would collect a reaction for every task.
 */
function unlessAborted<T>(coming: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return coming;
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', giveUp, { once: true });
    // Also after an abort: an unhandled rejection would end the process.
    coming.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
    if (signal.aborted) giveUp();
  });
}
