import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sweep } from '../../workers/upkeep/sweeper.ts';
import type { Runtime } from '../../workers/runtime.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';

let world: ApiWorld;
beforeAll(async () => {
  world = await startApiWorld({ tokens: ['ann:secret-a', 'bob:secret-b'] });
});
afterAll(() => world.close());

const task = (name: string) => ({ name, executors: [{ image: 'alpine', command: ['true'] }] });
const post = (
  key: string | undefined,
  body: unknown,
  { path = '/ga4gh/tes/v1/tasks', token = 'secret-a' } = {},
) =>
  world.call('POST', path, body, {
    authorization: `Bearer ${token}`,
    ...(key !== undefined && { 'idempotency-key': key }),
  });
const count = async (): Promise<number> => {
  const [rows] = await world.database.pool.query('SELECT COUNT(*) AS count FROM tasks');
  return (rows as { count: number }[])[0]?.count ?? 0;
};

describe('a task with an Idempotency-Key', () => {
  test('a task with an Idempotency-Key is created once, however many times and concurrently it is sent', async () => {
    const before = await count();
    const answers = await Promise.all(Array.from({ length: 20 }, () => post('once', task('once'))));
    const later = await post('once', task('once'), { path: '/v1/tasks' });
    expect(
      new Set([...answers, later].map(({ status, json }) => `${status} ${json.id}`)).size,
    ).toBe(1);
    expect(await count()).toBe(before + 1);
  });

  test('a task with the same key and another body is refused, and nothing is stored', async () => {
    await post('other', task('a'));
    const before = await count();
    expect(await post('other', task('b'))).toMatchObject({
      status: 409,
      json: { message: expect.stringContaining('Idempotency-Key') },
    });
    expect(await count()).toBe(before);
  });

  test('concurrent requests with one key and two bodies create one task, and the other body is refused', async () => {
    const before = await count();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => post('torn', task(at % 2 === 0 ? 'a' : 'b'))),
    );
    const taken = answers.filter(({ status }) => status === 200);
    expect([
      taken.length,
      new Set(taken.map(({ json }) => json.id)).size,
      answers.filter(({ status }) => status === 409).length,
    ]).toEqual([10, 1, 10]);
    expect(await count()).toBe(before + 1);
  });

  test('a key belongs to its owner: another owner can use the same one', async () => {
    const [ann, bob] = [
      await post('shared', task('a')),
      await post('shared', task('b'), { token: 'secret-b' }),
    ];
    expect([ann.status, bob.status]).toEqual([200, 200]);
    expect(ann.json.id).not.toBe(bob.json.id);
  });

  test('a refused task can be sent again with the same key once it is corrected', async () => {
    expect((await post('mended', { executors: [] })).status).toBe(400);
    expect((await post('mended', task('good'))).status).toBe(200);
  });

  test.each([['x'.repeat(256)], ['two words']])(
    'must have a key that can be kept (%s)',
    async (key) => {
      expect(await post(key, task('a'))).toMatchObject({
        status: 400,
        json: { problems: [expect.objectContaining({ field: 'Idempotency-Key' })] },
      });
    },
  );

  test('a key does not affect other requests of the same moment', async () => {
    const answers = await Promise.all([
      ...Array.from({ length: 5 }, () => post(undefined, task('plain'))),
      ...Array.from({ length: 5 }, (_, at) => post(`k${at}`, task('plain'))),
    ]);
    expect(new Set(answers.map(({ json }) => json.id)).size).toBe(10);
  });
});

describe('a scatter with an Idempotency-Key', () => {
  const scatter = (name: string) => ({
    name,
    template: { executors: [{ image: 'alpine', command: ['echo', '{{x}}'] }] },
    rows: [{ x: 1 }, { x: 2 }, { x: 3 }],
  });

  test('a scatter with an Idempotency-Key is created once, and the reply has the same ids', async () => {
    const before = await count();
    const path = '/v1/scatters?ids=true';
    const answers = await Promise.all([1, 2, 3].map(() => post('wide', scatter('s'), { path })));
    const again = await post('wide', scatter('s'), { path });
    expect(again.json.task_ids).toHaveLength(3);
    for (const { status, json } of answers) expect([status, json]).toEqual([200, again.json]);
    expect(await count()).toBe(before + 3);
    expect((await post('wide', scatter('t'), { path })).status).toBe(409);
  });
});

test('a key is forgotten after its retention time', async () => {
  const first = await post('old', task('old'));
  const runtime = {
    database: world.database,
    config: world.config,
    queues: { nudge: async () => undefined, byStage: world.queues.byStage },
    metrics: createMetrics(),
    log: { info: () => undefined },
    nowMs: () => Date.now() + world.config.idempotencyMs + 60_000,
  } as unknown as Runtime;
  await sweep(runtime, { flights: true });
  const second = await post('old', task('old'));
  expect([first.status, second.status]).toEqual([200, 200]);
  expect(second.json.id).not.toBe(first.json.id);
});
