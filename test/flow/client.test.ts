/** The client against the real API. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  BatchwellError,
  openClient,
  type Client,
  type ClientOptions,
  type TesTask,
} from '../../packages/client/client.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';

let world: ApiWorld;
let client: Client;
beforeAll(async () => {
  world = await startApiWorld({ tokens: ['ann:secret-a', 'bob:secret-b'] });
  client = open();
});
afterAll(() => world.close());

const open = (options: Partial<ClientOptions> = {}): Client =>
  openClient({
    url: world.url,
    token: 'secret-a',
    ...options,
    retry: { sleep: async () => undefined, ...options.retry },
  });
const task = (name: string): TesTask => ({
  name,
  executors: [{ image: 'alpine', command: ['echo', name] }],
  tags: { made: 'by client' },
});
const scatter = (name: string) => ({
  name,
  template: { executors: [{ image: 'alpine', command: ['echo', '{{x}}'] }] },
  rows: [{ x: 1 }, { x: 'two' }, { x: true }],
});
const tasksOf = (count: number): TesTask[] =>
  Array.from({ length: count }, (_, n) => task(`t${n}`));
const keyOf = (id: string): number => Number.parseInt(id.split('-')[1] ?? '', 36);
const finish = (id: string, place = 'done') =>
  world.database.pool.query('UPDATE tasks SET place = ?, ended_ms = 1 WHERE id = ?', [
    place,
    keyOf(id),
  ]);
const count = async (table = 'tasks'): Promise<number> => {
  const [rows] = await world.database.pool.query(`SELECT COUNT(*) AS count FROM ${table}`);
  return (rows as { count: number }[])[0]?.count ?? 0;
};
const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};

describe('a lost answer', () => {
  /** The first answers go as far as this process, and no further. */
  const losing = (answers: number): typeof globalThis.fetch => {
    let lost = 0;
    return async (input, init) => {
      const response = await fetch(input, init);
      if (response.ok && lost < answers) {
        lost += 1;
        await response.text();
        throw new TypeError('fetch failed', { cause: new Error('read ECONNRESET') });
      }
      return response;
    };
  };

  test('a task whose answer is lost is created once', async () => {
    const before = await count();
    const { id } = await open({ fetch: losing(3) }).submit(task('once'));
    expect(await count()).toBe(before + 1);
    expect(await client.get(id)).toEqual({ id, state: 'QUEUED' });
  });

  test('a scatter whose answer is lost is created once, and all of its ids are returned', async () => {
    const before = [await count(), await count('scatters')];
    const made = await open({ fetch: losing(2) }).submitScatter(scatter('once'), { ids: true });
    expect([made.tasks, made.task_ids?.length]).toEqual([3, 3]);
    expect([await count(), await count('scatters')]).toEqual([before[0]! + 3, before[1]! + 1]);
  });

  test('each scatter of submitMany whose answer is lost is created once', async () => {
    const before = [await count(), await count('scatters')];
    const made = await collect(
      open({ fetch: losing(2) }).submitMany(tasksOf(12_000), { name: 'many', tags: { run: '9' } }),
    );
    expect(made.map(({ tasks, first }) => [tasks, first])).toEqual([
      [10_000, 0],
      [2000, 10_000],
    ]);
    expect([await count(), await count('scatters')]).toEqual([before[0]! + 12_000, before[1]! + 2]);
    expect(await client.scatter(made[1]!.id)).toMatchObject({
      name: 'many',
      size: 2000,
      tags: { run: '9' },
      ended: false,
    });
  });

  test('a producer that starts over with its own key creates nothing twice', async () => {
    const send = () =>
      collect(client.submitMany(tasksOf(50), { idempotencyKey: 'nightly-7', ids: true }));
    const first = await send();
    const before = await count();
    expect(await send()).toEqual(first);
    expect(await count()).toBe(before);
    await expect(
      collect(client.submitMany(tasksOf(51), { idempotencyKey: 'nightly-7' })),
    ).rejects.toMatchObject({ status: 409 });
  });
});

describe('refusals', () => {
  const refusalOf = async (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => undefined,
      (error: unknown) => error,
    );

  test('a refused task names its fields', async () => {
    const error = await refusalOf(client.submit({ executors: [] }));
    expect(error).toBeInstanceOf(BatchwellError);
    expect(error).toMatchObject({
      status: 400,
      problems: [{ field: 'executors', expected: expect.any(String) }],
    });
  });

  test('a refused scatter names its rows, and submitMany the lines of the source', async () => {
    expect(
      await refusalOf(client.submitScatter({ ...scatter('bad'), rows: [{ x: 1 }, {}] })),
    ).toMatchObject({ status: 400, problems: [{ row: 1, field: 'x' }] });
    const bad = [...tasksOf(10_003), { executors: [] }];
    const many = client.submitMany(bad);
    await many.next();
    expect(await refusalOf(many.next())).toMatchObject({
      status: 400,
      problems: [{ line: 10_004, field: 'executors' }],
    });
  });

  test('an unknown token is 401 and another owner’s task 404, and no error contains a token', async () => {
    const { id } = await client.submit(task('ann’s'));
    const stranger = await refusalOf(open({ token: 'nobody-knows' }).get(id));
    expect(stranger).toMatchObject({ status: 401 });
    expect(String(stranger)).not.toContain('nobody-knows');
    expect(await refusalOf(open({ token: 'secret-b' }).get(id))).toMatchObject({ status: 404 });
  });

  test('an error of a service that cannot be reached has its cause', async () => {
    const error = await refusalOf(
      openClient({ url: 'http://127.0.0.1:9', retry: { tries: 1 } }).submit(task('x')),
    );
    expect(error).toMatchObject({
      name: 'BatchwellError',
      status: undefined,
      cause: expect.any(TypeError),
    });
  });
});

describe('reading', () => {
  test('get returns the fields of the view', async () => {
    const { id } = await client.submit(task('seen'));
    expect(await client.get(id)).toEqual({ id, state: 'QUEUED' });
    expect((await client.get(id, { view: 'FULL' })).executors[0]?.command).toEqual([
      'echo',
      'seen',
    ]);
  });

  test('waitFor resolves when the task ends, not before', async () => {
    const { id } = await client.submit(task('awaited'));
    const looks: string[] = [];
    const watching = open({
      fetch: (input, init) => {
        looks.push(String(input));
        return fetch(input, init);
      },
    });
    const waiting = watching.waitFor(id, { view: 'BASIC' });
    await expect.poll(() => looks.length).toBe(1);
    await finish(id);
    expect(await waiting).toMatchObject({ id, state: 'COMPLETE', name: 'awaited' });
    expect(looks[0]).toContain('wait=50s');
    await expect(client.waitFor('task-zz-000000')).rejects.toMatchObject({ status: 404 });
  });

  test('waitForScatter resolves when all of its tasks have ended', async () => {
    const { id, task_ids: ids = [] } = await client.submitScatter(scatter('ends'), { ids: true });
    await finish(ids[0]!);
    let looks = 0;
    const waiting = open({
      retry: {
        sleep: async () => {
          looks += 1;
          if (looks === 2) for (const one of ids.slice(1)) await finish(one, 'cancelled');
        },
      },
    }).waitForScatter(id);
    expect(await waiting).toMatchObject({
      ended: true,
      places: { done: 1, cancelled: 2 },
      states: { COMPLETE: 1, CANCELED: 2 },
    });
    expect(looks).toBe(2);
  });

  test('lists read all pages, filtered by tags and state', async () => {
    const tags = { list: 'mine' };
    const made = await Promise.all(tasksOf(7).map((one) => client.submit({ ...one, tags })));
    const ids = (tasks: { id: string }[]) => tasks.map(({ id }) => id);
    expect(new Set(ids(await collect(client.listAll({ tags, page_size: 3 }))))).toEqual(
      new Set(ids(made)),
    );
    expect(await collect(client.listAll({ tags, state: 'COMPLETE' }))).toEqual([]);
    const page = await client.list({ tags, page_size: 3, view: 'BASIC' });
    expect([page.tasks.length, page.tasks[0]?.tags, typeof page.next_page_token]).toEqual([
      3,
      tags,
      'string',
    ]);
    expect(
      ids(await collect(client.listAll({ tags, page_size: 3, page_token: page.next_page_token! }))),
    ).toHaveLength(4);

    const { id, task_ids: rows = [] } = await client.submitScatter(scatter('listed'), {
      ids: true,
    });
    expect(ids(await collect(client.scatterTasks(id, { page_size: 2 })))).toEqual(
      rows.toReversed(),
    );
    const [newest] = await collect(client.listScatters());
    expect(newest).toMatchObject({ id, name: 'listed', size: 3 });
  });

  test('script, timeline, explainCache, logs and validate return what the service knows', async () => {
    const { id } = await client.submit(task('inspected'));
    expect(await client.script(id)).toContain('inspected');
    expect((await client.timeline(id)).spans[0]).toMatchObject({ what: 'cache-check' });
    expect((await client.explainCache(id)).verdict).toContain('Caching is off');
    await expect(
      client.logs(id, { stream: 'stderr', executor: 0, tailBytes: 10 }),
    ).rejects.toMatchObject({ status: 404 });
    const before = await count();
    expect(await client.validate(task('dry'))).toMatchObject({
      queue: world.config.jobQueue,
      cache: { verdict: 'off' },
    });
    expect(await count()).toBe(before);
    expect(await client.serviceInfo()).toMatchObject({ type: { artifact: 'tes' } });
  });
});

test('cancel cancels a task, and cancelMany the tasks of ids, tags or a scatter', async () => {
  const tags = { to: 'cancel' };
  const [one, two, three] = await Promise.all(
    tasksOf(3).map((each) => client.submit({ ...each, tags })),
  );
  await client.cancel(one!.id);
  await client.cancel(one!.id);
  expect(await client.get(one!.id)).toMatchObject({ state: 'CANCELED' });
  expect(await client.cancelMany({ ids: [two!.id, 'task-zz-000000'] })).toEqual({
    cancelled: 1,
    unknown_ids: ['task-zz-000000'],
  });
  expect(await client.cancelMany({ tags })).toEqual({ cancelled: 1, unknown_ids: [] });
  expect(await client.get(three!.id)).toMatchObject({ state: 'CANCELED' });
  const { id } = await client.submitScatter(scatter('cancelled'));
  expect(await client.cancelMany({ scatter: id })).toEqual({ cancelled: 3, unknown_ids: [] });
});

test('submitLines sends NDJSON unchanged, from a stream or a blob', async () => {
  const text = tasksOf(3)
    .map((one) => JSON.stringify(one))
    .join('\n');
  const fromBlob = await client.submitLines(new Blob([text]), { name: 'blob' });
  const fromStream = await client.submitLines(new Blob([text]).stream(), {
    name: 'stream',
    ids: true,
  });
  expect([fromBlob.tasks, fromStream.task_ids?.length]).toEqual([3, 3]);
});
