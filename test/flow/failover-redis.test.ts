/** Redis fails over for real: two servers, and a name that moves from the one to the other. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { isLong } from '../long.ts';
import { connectImpatientRedis } from '../../queues/connect.ts';
import { startTwoRedis, type ServerPair } from '../two-servers.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let pair: ServerPair;
beforeAll(async () => {
  pair = await startTwoRedis();
});
afterAll(() => pair?.close());

let world: FleetWorld | undefined;
afterEach(async () => {
  await world?.close();
  world = undefined;
});

/** With a stall time that leaves all to the messages. */
const openWorld = (): Promise<FleetWorld> =>
  startFleetWorld(
    { BATCHWELL_STALL_MS: '600000', BATCHWELL_LOCK_MS: '2000' },
    { redis: { url: pair.url, pid: pair.primaryPid(), drop: async () => undefined } },
  );

const readyz = async (metricsUrl: string): Promise<number> =>
  (await fetch(new URL('/readyz', metricsUrl))).status;

test('tasks go on within 10 s after Redis failed over, although old connections stay open', async () => {
  world = await openWorld();
  const { metricsUrl } = await world.startWorkers();
  const before = await world.accept(
    manyTasks(20, (at) => newTask(`before-${at}`)),
    'before',
  );
  await world.ended(before);
  const moving = pair.failOver({ lateMs: 2000 });
  await expect.poll(() => readyz(metricsUrl), { timeout: 10_000 }).toBe(503);
  await expect
    .poll(async () => (await fetch(metricsUrl)).text())
    .toContain('batchwell_dependency_read_only{dependency="redis"} 1');
  await moving;
  const movedMs = Date.now();
  const after = await world.accept(
    manyTasks(20, (at) => newTask(`after-${at}`)),
    'after',
  );
  const ended = await world.ended(after);
  expect(Date.now() - movedMs).toBeLessThan(10_000);
  expect(new Set(ended.map(({ place }) => place))).toEqual(new Set(['done']));
  await expect.poll(() => readyz(metricsUrl)).toBe(200);
  const { other } = pair.ports();
  await expect.poll(() => pair.name.connections().get(other), { timeout: 10_000 }).toBe(undefined);
  const events = world.lines.filter(({ level }) => Number(level) >= 40).map(({ msg }) => msg);
  expect(events.filter((event) => event === 'redis-away').length).toBeLessThan(4);
  expect(events.length).toBeLessThan(40);
});

test('a connection that sends nothing leaves a server that became a replica', async () => {
  const redis = await connectImpatientRedis(pair.url, 'p');
  await redis.ping();
  await pair.failOver();
  const { other } = pair.ports();
  await expect.poll(() => pair.name.connections().get(other), { timeout: 10_000 }).toBe(undefined);
  await expect.poll(() => redis.set('written', '1').catch(String)).toBe('OK');
  redis.disconnect();
});

test.runIf(isLong)('connections whose server vanished without a word are opened anew', async () => {
  world = await openWorld();
  await world.startWorkers();
  await world.ended(await world.accept([newTask('before')]));
  pair.name.silence();
  const after = await world.accept(
    manyTasks(5, (at) => newTask(`after-${at}`)),
    'after',
  );
  expect(new Set((await world.ended(after)).map(({ place }) => place))).toEqual(new Set(['done']));
});
