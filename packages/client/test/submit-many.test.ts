import { describe, expect, test } from 'vitest';
import type { BatchwellError, ManyAccepted, TesTask } from '../client.ts';
import { gather } from '../gather.ts';
import {
  brokenConnection,
  busy,
  heldSleep,
  json,
  playClient,
  type Heard,
} from './played-service.ts';

const tasksOf = (count: number): TesTask[] =>
  Array.from({ length: count }, (_, n) => ({
    name: `t${n}`,
    executors: [{ image: 'alpine', command: ['echo', String(n)] }],
  }));
const linesOf = ({ body }: Heard): string[] => body.trimEnd().split('\n');
const accept = (heard: Heard, position: number): Response =>
  json({ id: `scatter-${position}`, tasks: linesOf(heard).length });
const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};

/** A source that shows how far it was read, and yields when the test says so. */
function heldSource() {
  const asked: ((result: IteratorResult<TesTask>) => void)[] = [];
  let closed = false;
  const iterator: AsyncIterator<TesTask> = {
    next: () => new Promise((resolve) => asked.push(resolve)),
    return: async () => {
      closed = true;
      return { done: true, value: undefined };
    },
  };
  let given = 0;
  const give = async (task: TesTask): Promise<void> => {
    given += 1;
    await expect.poll(() => asked.length).toBe(given);
    asked.at(-1)?.({ done: false, value: task });
  };
  return {
    source: { [Symbol.asyncIterator]: () => iterator },
    asked,
    isClosed: () => closed,
    give,
  };
}

describe('submitMany', () => {
  test('submitMany splits the source into scatters of 10,000, in order, with key, name and tags', async () => {
    const { client, heard } = playClient(accept);
    const accepted = await collect(
      client.submitMany(tasksOf(20_001), {
        name: 'wide',
        cache: 'read',
        tags: { run: '7', who: 'a:b' },
      }),
    );
    expect(accepted).toEqual([
      { id: 'scatter-0', tasks: 10_000, first: 0 },
      { id: 'scatter-1', tasks: 10_000, first: 10_000 },
      { id: 'scatter-2', tasks: 1, first: 20_000 },
    ]);
    expect(heard.flatMap(linesOf).map((line) => (JSON.parse(line) as TesTask).name)).toEqual(
      tasksOf(20_001).map(({ name }) => name),
    );
    expect(new Set(heard.map(({ headers }) => headers.get('idempotency-key'))).size).toBe(3);
    expect(heard[0]).toMatchObject({
      method: 'POST',
      path: '/v1/scatters?name=wide&cache=read&tag=run%3A7&tag=who%3Aa%3Ab',
    });
    expect(heard[0]?.headers.get('content-type')).toBe('application/x-ndjson');
  });

  test('submitMany retries with the same body and key when the answer is lost', async () => {
    const { client, heard } = playClient(
      (one, position) => [brokenConnection(), busy('1')][position] ?? accept(one, position),
      { retry: { tries: 5 } },
    );
    await collect(client.submitMany(tasksOf(3)));
    expect(heard).toHaveLength(3);
    expect(
      new Set(heard.map(({ headers, body }) => headers.get('idempotency-key') + body)).size,
    ).toBe(1);
  });

  test('submitMany derives the keys of its scatters from idempotencyKey, for a repeated run', async () => {
    const keys = async () => {
      const { client, heard } = playClient(accept);
      await collect(client.submitMany(tasksOf(10_001), { idempotencyKey: 'run-42' }));
      return heard.map(({ headers }) => headers.get('idempotency-key'));
    };
    expect([await keys(), await keys()]).toEqual([
      ['run-42.0', 'run-42.1'],
      ['run-42.0', 'run-42.1'],
    ]);
  });

  test('submitMany reads no further than the current scatter', async () => {
    let read = 0;
    async function* source() {
      for (const task of tasksOf(30_000)) {
        read += 1;
        yield task;
      }
    }
    const { client } = playClient(accept);
    const accepted = client.submitMany(source());
    expect(read).toBe(0);
    await accepted.next();
    expect(read).toBe(10_000);
    await accepted.return();
    expect(read).toBe(10_000);
  });

  test('submitMany counts the lines of problems over the whole source', async () => {
    const problems = [{ line: 3, field: 'executors', expected: 'at least one' }];
    const { client } = playClient((one, position) =>
      position === 0
        ? accept(one, 0)
        : json({ status_code: 400, message: 'line 3: …', problems }, 400),
    );
    const accepted = client.submitMany(tasksOf(10_005));
    await accepted.next();
    const error = await accepted.next().catch((reason: BatchwellError) => reason);
    expect(error).toMatchObject({
      status: 400,
      message: 'The scatter that begins with task 10001: line 3: …',
      problems: [{ line: 10_003 }],
    });
  });

  test('submitMany fails when its source fails, after it has yielded the accepted scatters', async () => {
    async function* source() {
      yield* tasksOf(10_002);
      throw new Error('the queue is gone');
    }
    const { client, heard } = playClient(accept);
    const accepted: ManyAccepted[] = [];
    await expect(async () => {
      for await (const one of client.submitMany(source())) accepted.push(one);
    }).rejects.toThrow('the queue is gone');
    expect([accepted.length, heard.length]).toEqual([1, 1]);
  });

  test('submitMany with lingerMs sends a scatter while the source is still open', async () => {
    const { held, sleep } = heldSleep();
    const { source, asked, give, isClosed } = heldSource();
    const { client, heard } = playClient(accept, { retry: { sleep } });
    const accepted = client.submitMany(source, { lingerMs: 200 });
    const first = accepted.next();
    const [a, b, c] = tasksOf(3) as [TesTask, TesTask, TesTask];
    await give(a);
    await give(b);
    await expect.poll(() => asked.length).toBe(3);
    expect(held.map(({ ms }) => ms)).toEqual([200]);
    held[0]?.end();
    expect(await first).toEqual({ done: false, value: { id: 'scatter-0', tasks: 2, first: 0 } });

    // The task that comes next was asked for already, and is not lost.
    const second = accepted.next();
    await give(c);
    await expect.poll(() => held.length).toBe(1);
    held[0]?.end();
    expect(await second).toEqual({ done: false, value: { id: 'scatter-1', tasks: 1, first: 2 } });
    expect(heard.map((one) => linesOf(one).length)).toEqual([2, 1]);
    await accepted.return();
    expect(isClosed()).toBe(true);
  });

  test('submitMany with lingerMs keeps no timer after its source has ended', async () => {
    const { held, sleep } = heldSleep();
    const { client } = playClient(accept, { retry: { sleep } });
    expect(await collect(client.submitMany(tasksOf(2), { lingerMs: 60_000 }))).toHaveLength(1);
    expect(held).toEqual([]);
  });

  test('an aborted submitMany causes no unhandled rejection when its source fails later', async () => {
    const unseen: unknown[] = [];
    const note = (reason: unknown): void => void unseen.push(reason);
    process.on('unhandledRejection', note);
    const caller = new AbortController();
    let fail: (error: Error) => void = () => undefined;
    async function* source() {
      yield { executors: [] };
      caller.abort(new Error('enough'));
      await new Promise((_, reject) => {
        fail = reject;
      });
    }
    const { client } = playClient(accept, { retry: { sleep: heldSleep().sleep } });
    await expect(
      client.submitMany(source(), { lingerMs: 1000, signal: caller.signal }).next(),
    ).rejects.toThrow('enough');
    fail(new Error('the queue is gone'));
    await new Promise((next) => setImmediate(next));
    process.off('unhandledRejection', note);
    expect(unseen).toEqual([]);
  });

  test('submitMany ends when its signal is aborted, even while it waits for the source', async () => {
    const caller = new AbortController();
    const { source, asked, isClosed } = heldSource();
    const { client } = playClient(accept);
    const accepted = client.submitMany(source, { signal: caller.signal }).next();
    await expect.poll(() => asked.length).toBe(1);
    caller.abort(new Error('enough'));
    await expect(accepted).rejects.toThrow('enough');
    expect(isClosed()).toBe(true);
  });

  test('submitMany refuses a tag whose key contains a colon', async () => {
    const { client, heard } = playClient(accept);
    await expect(client.submitMany(tasksOf(1), { tags: { 'a:b': 'c' } }).next()).rejects.toThrow(
      /colon/,
    );
    expect(heard).toEqual([]);
  });
});

test('a body is also limited in bytes, and a larger task is sent alone', async () => {
  const limits = {
    most: 10,
    mostBytes: 20,
    lingerMs: undefined,
    sleep: async () => undefined,
    signal: undefined,
  };
  const bodies = await collect(
    gather(['12345', '12345', '1234567890123456789012345', '1', 'é'], limits),
  );
  expect(bodies.map(({ first, tasks, lines }) => [first, tasks, lines.size])).toEqual([
    [0, 2, 16],
    [2, 1, 28],
    [3, 2, 9],
  ]);
});
