import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createBudget } from '../../aws/budget.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { freshRedis, type FreshRedis } from '../world.ts';

let server: FreshRedis;
let clients: Redis[];
const metrics = createMetrics();
beforeEach(async () => {
  server = await freshRedis();
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.disconnect();
  await server.drop();
});

function budget(perSecond: number) {
  const redis = new Redis(server.url);
  clients.push(redis);
  return createBudget({ redis, key: 'budget', service: 'batch', perSecond, metrics });
}
const rate = async (): Promise<number> => Number(await clients[0]?.hget('budget', 'rate'));

test('several processes share one rate', async () => {
  const takers = [budget(50), budget(50), budget(50)];
  const startMs = performance.now();
  // 50 are there at once; the other 40 come at 50 a second, whoever asks.
  await Promise.all(Array.from({ length: 90 }, (_, at) => takers[at % 3]?.take()));
  const tookMs = performance.now() - startMs;
  expect(tookMs).toBeGreaterThan(700);
});

test('a throttled answer halves the rate for all processes, and it recovers slowly', async () => {
  const [one, other] = [budget(40), budget(40)];
  await one.take();
  expect(await rate()).toBe(40);
  await other.slowDown();
  expect(await rate()).toBe(20);
  await other.slowDown();
  expect(await rate()).toBe(10);
  for (let again = 0; again < 10; again += 1) await one.slowDown();
  expect(await rate()).toBe(1); // never to nothing
  await new Promise((resolve) => setTimeout(resolve, 100));
  await one.take();
  const after = await rate();
  expect(after).toBeGreaterThan(1);
  expect(after).toBeLessThan(5); // a twentieth of the limit each second
});

test('the wait is counted in the metrics', async () => {
  const own = budget(10);
  await Promise.all(Array.from({ length: 12 }, () => own.take()));
  expect(
    (await metrics.awsBudgetWaitSeconds.get()).values.find(
      ({ labels }) => labels.service === 'batch',
    )?.value,
  ).toBeGreaterThan(0.1);
});

test('a request is sent without the budget when Redis hangs', async () => {
  const hanging = await freshRedis();
  const redis = new Redis(hanging.url, { maxRetriesPerRequest: null });
  clients.push(redis);
  await redis.ping();
  process.kill(hanging.pid, 'SIGSTOP');
  try {
    const own = createBudget({ redis, key: 'budget', service: 'batch', perSecond: 1, metrics });
    await own.take();
    await own.slowDown();
    expect(redis.status).toBe('ready');
  } finally {
    process.kill(hanging.pid, 'SIGCONT');
    await hanging.drop();
  }
});

test('a request is sent without the budget when Redis is down', async () => {
  const redis = new Redis(server.url, { maxRetriesPerRequest: 0, retryStrategy: () => null });
  redis.on('error', () => undefined);
  clients.push(redis);
  await redis.ping();
  await server.drop();
  const own = createBudget({ redis, key: 'budget', service: 'batch', perSecond: 1, metrics });
  await own.take();
  await own.slowDown();
  expect(redis.status).not.toBe('ready');
});
