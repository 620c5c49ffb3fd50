/** MySQL fails over for real: two servers, and a name that moves from the one to the other. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { migrateDatabase } from '../../db/client.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';
import { startTwoMariadb, type ServerPair } from '../two-servers.ts';
import { onceThere } from './fleet-rows.ts';
import { manyTasks, newTask, startFleetWorld } from './harness.ts';

let pair: ServerPair;
beforeAll(async () => {
  pair = await startTwoMariadb();
  await migrateDatabase(pair.url);
});
afterAll(() => pair?.close());

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

const task = { executors: [{ image: 'alpine', command: ['true'] }] };
const post = async ({ call }: ApiWorld): Promise<number> =>
  (await call('POST', '/ga4gh/tes/v1/tasks', task)).status;
const together = <T>(count: number, run: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, run));

test('the API leaves a demoted writer by itself, although its connections stay open', async () => {
  const world = await startApiWorld({}, async () => pair.url);
  cleanUps.push(() => world.close());
  expect(new Set(await together(20, () => post(world)))).toEqual(new Set([200]));

  const moving = pair.failOver({ lateMs: 2000 });
  await expect.poll(() => post(world), { timeout: 10_000 }).toBe(503);
  await expect
    .poll(async () => (await world.call('GET', '/readyz')).text)
    .toContain('read_only is set');
  expect((await world.call('GET', '/metrics')).text).toContain(
    'batchwell_dependency_read_only{dependency="mysql"} 1',
  );
  await moving;
  await expect.poll(() => post(world), { timeout: 10_000 }).toBe(200);
  // None of the pool's connections is left at the demoted one.
  expect(new Set(await together(40, () => post(world)))).toEqual(new Set([200]));
  const { primary, other } = pair.ports();
  const connections = pair.name.connections();
  expect([connections.get(other), (connections.get(primary) ?? 0) > 0]).toEqual([undefined, true]);
  expect((await world.call('GET', '/readyz')).status).toBe(200);
  const events = world.lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  expect(events.filter((event) => event.startsWith('mysql-'))).toEqual([
    'mysql-away',
    'mysql-back',
  ]);
});

test('an API that only reads notices that its server became a replica', async () => {
  const world = await startApiWorld({}, async () => pair.url);
  cleanUps.push(() => world.close());
  await world.call('GET', '/v1/tasks');
  await pair.failOver();
  const { other } = pair.ports();
  await expect.poll(() => pair.name.connections().get(other), { timeout: 10_000 }).toBe(undefined);
  expect((await world.call('GET', '/v1/tasks')).status).toBe(200);
});

test('tasks go on within 10 s after a failover that cut all connections, without a restart', async () => {
  const world = await startFleetWorld(
    {},
    { database: { url: pair.url, drop: async () => undefined } },
  );
  cleanUps.push(() => world.close());
  const before = await world.accept(
    manyTasks(30, (at) => newTask(`before-${at}`)),
    'before',
  );
  await world.startWorkers();
  await world.ended(before);
  const { promise: go, resolve: open } = Promise.withResolvers<void>();
  world.behave(() => ({ until: go }));
  const during = await world.accept(
    manyTasks(30, (at) => newTask(`during-${at}`)),
    'during',
  );
  await world.until('all to run', () => world.batch.ledger.summary().running === 30);
  const moving = pair.failOver({ lateMs: 2000, drops: true });
  open();
  await moving;
  const movedMs = Date.now();
  const after = await onceThere(() =>
    world.accept(
      manyTasks(30, (at) => newTask(`after-${at}`)),
      'after',
    ),
  );
  const ended = await world.ended([...during, ...after]);
  expect(Date.now() - movedMs).toBeLessThan(10_000);
  expect(new Set(ended.map(({ place }) => place))).toEqual(new Set(['done']));
  expect(world.effects).toHaveLength(90);
});
