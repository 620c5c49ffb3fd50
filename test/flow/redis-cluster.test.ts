/** A fleet whose Redis is in cluster mode, by a URL that names the wrong node. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApi } from '../../api/main.ts';
import { readConfig } from '../../config.ts';
import { startRedisCluster, type RedisCluster } from '../redis-cluster.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let cluster: RedisCluster;
let world: FleetWorld;
beforeAll(async () => {
  cluster = await startRedisCluster(3);
  const { url, pid } = await cluster.otherThan(readConfig({}).redisPrefix);
  world = await startFleetWorld(
    { BATCHWELL_JANITOR_MS: '50', BATCHWELL_POSTS_PER_MINUTE: '1' },
    { redis: { url, pid, drop: () => cluster.drop() } },
  );
});
afterAll(() => world.close());

test('a scatter runs to its end, and every key is on one shard', async () => {
  await world.startWorkers();
  const ids = await world.accept(
    manyTasks(200, (at) => newTask(`t${at}`)),
    'wide',
  );
  expect(new Set((await world.ended(ids)).map(({ place }) => place))).toEqual(new Set(['done']));
  expect(world.lines.filter(({ msg }) => msg === 'worker-error')).toEqual([]);
  const held = await Promise.all(
    cluster.nodes.map(async ({ url }) => {
      const client = new Redis(url);
      const keys = await client.keys('*');
      client.disconnect();
      return keys;
    }),
  );
  expect(held.filter((keys) => keys.length > 0)).toHaveLength(1);
  expect(held.flat().filter((key) => !key.startsWith('{batchwell}:'))).toEqual([]);
});

test('the API accepts tasks, and its limit of POSTs counts', async () => {
  const api = await startApi(readConfig({ ...world.environment, PORT: '0' }));
  try {
    const post = () =>
      fetch(`${api.url}/ga4gh/tes/v1/tasks`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ executors: [{ image: 'x', command: ['true'] }] }),
      });
    expect([(await post()).status, (await post()).status]).toEqual([200, 429]);
    expect(await (await fetch(`${api.url}/readyz`)).json()).toMatchObject({ redis: 'ok' });
  } finally {
    await api.close();
  }
});

test.each([
  ['the workers', (settings: Record<string, string>) => world.startWorkers({ settings })],
  [
    'the API',
    (settings: Record<string, string>) =>
      startApi(readConfig({ ...world.environment, ...settings, PORT: '0' })),
  ],
])('%s do not start with a prefix that spreads keys over shards', async (_, start) => {
  await expect(start({ BATCHWELL_REDIS_PREFIX: 'lab' })).rejects.toThrow(
    'BATCHWELL_REDIS_PREFIX=lab has no hash tag',
  );
});
