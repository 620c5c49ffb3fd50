import { afterEach, beforeEach, expect, test } from 'vitest';
import { isLong } from '../long.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld();
});
afterEach(() => world.close());

const MINUTE_MS = 60_000;
const outcomes = async (ids: readonly number[]): Promise<string[]> => [
  ...new Set((await world.ended(ids)).map(({ place }) => place)),
];
const registrations = (): number => world.asked('batch.RegisterJobDefinition');
const hideDefinitions = (delayMs: number, times?: number): void =>
  void world.batch.faults.add({
    service: 'batch',
    operation: 'RegisterJobDefinition',
    kind: 'visibility-lag',
    delayMs,
    ...(times !== undefined && { times }),
  });

test.each([
  ['ahead', 10],
  ['behind', -10],
])('a worker whose host is ten minutes %s ends its tasks by the database’s time', async (_, by) => {
  world.batch.faults.add({
    service: 'batch',
    operation: 'SubmitJob',
    kind: 'drop-before',
    times: 1,
  });
  hideDefinitions(1500);
  const { runtime } = await world.startWorkers({ nowMs: () => Date.now() + by * MINUTE_MS });
  const ids = await world.accept(manyTasks(5, (at) => newTask(`t${at}`)));
  expect(await outcomes(ids)).toEqual(['done']);
  expect(registrations()).toBe(1);
  const [times] = await world.rows(
    `SELECT ABS(CAST(MIN(moved_ms) AS SIGNED) - UNIX_TIMESTAMP() * 1000) AS away FROM tasks`,
  );
  expect(Number(times?.['away'])).toBeLessThan(MINUTE_MS);
  const skew = (await runtime.metrics.clockSkewSeconds.get()).values[0]?.value ?? 0;
  expect(Math.round(skew / 60)).toBe(by);
  expect(world.lines.filter(({ msg }) => msg === 'host-clock-wrong')).toHaveLength(1);
});

test('workers whose hosts are twenty minutes apart submit each task once', async () => {
  world.batch.faults.add({
    service: 'batch',
    operation: 'SubmitJob',
    kind: 'drop-after',
    times: 1,
  });
  world.batch.faults.add({ service: 'batch', operation: 'SubmitJob', kind: 'throttle', times: 2 });
  for (const by of [-10, 0, 10])
    await world.startWorkers({ nowMs: () => Date.now() + by * MINUTE_MS });
  const ids = [
    ...(await world.accept(manyTasks(20, (at) => newTask(`a${at}`)))),
    ...(await world.accept(manyTasks(20, (at) => newTask(`b${at}`)))),
  ];
  expect(await outcomes(ids)).toEqual(['done']);
  expect(world.effects.map(({ taskId }) => taskId).toSorted((a, b) => a - b)).toEqual(ids);
  expect(world.batch.ledger.starts()).toHaveLength(40);
});

test.runIf(isLong)(
  'a job definition that Batch shows long after the settle time is registered once',
  async () => {
    hideDefinitions(5000);
    await world.startWorkers();
    expect(await outcomes(await world.accept([newTask('one')]))).toEqual(['done']);
    expect(registrations()).toBe(1);
  },
);

test('a submission older than any limit waits for a definition that is registered now', async () => {
  hideDefinitions(3000);
  const packing = await world.startWorkers({ stages: ['cache-check', 'stage-script'] });
  const ids = await world.accept([newTask('one')]);
  await world.until('submit', async () => (await world.tasks(ids))[0]?.place === 'submit');
  await packing.close();
  await world.rows('UPDATE tasks SET moved_ms = moved_ms - 86400000');
  await world.startWorkers();
  await world.until('a submission', async () => {
    await world.rows('UPDATE submissions SET created_ms = 1');
    return (await world.rows('SELECT id FROM submissions')).length > 0;
  });
  expect(await outcomes(ids)).toEqual(['done']);
  expect(registrations()).toBe(1);
});

test('a definition that Batch knows to one call and not to the next is not registered again', async () => {
  await world.startWorkers();
  await world.ended(await world.accept([newTask('first')]));
  for (const times of [1, 1])
    world.batch.faults.add({
      service: 'batch',
      operation: 'SubmitJob',
      kind: 'error',
      status: 404,
      code: 'ClientException',
      message: 'JobDefinition batchwell-x:1 not found.',
      times,
    });
  expect(await outcomes(await world.accept([newTask('second')]))).toEqual(['done']);
  expect(world.batch.faults.list().map(({ bitten }) => bitten)).toEqual([1, 1]);
  expect(registrations()).toBe(1);
});

test('a definition that an operator removed is registered again soon, and its task is done', async () => {
  const { runtime } = await world.startWorkers();
  await world.ended(await world.accept([newTask('first')]));
  const [row] = await world.rows('SELECT revision FROM job_definitions');
  await runtime.batch.deregister(String(row?.['revision']));
  expect(await outcomes(await world.accept([newTask('second')]))).toEqual(['done']);
  expect(registrations()).toBe(2);
});

test('a definition that Batch never knows is registered three times, and its task fails with the reason', async () => {
  hideDefinitions(600_000);
  await world.startWorkers({ settings: { BATCHWELL_DEFINITION_LAG_MS: '300' } });
  const [ended] = await world.ended(await world.accept([newTask('one')]));
  expect(ended).toMatchObject({ place: 'failed', failureCode: 'batch-refused' });
  expect(ended?.failure).toMatch(
    /JobDefinition .* not found\. Its job definition was registered 3 times, last as \S+:3, and Batch took no job with any of them\./,
  );
  expect(registrations()).toBe(3);
});

test('a claim to register that a host far ahead left behind ends with its lock time', async () => {
  await world.startWorkers({ nowMs: () => Date.now() + 10 * MINUTE_MS });
  world.batch.faults.add({
    service: 'batch',
    operation: 'RegisterJobDefinition',
    kind: 'delay',
    delayMs: 500,
    times: 1,
  });
  const ids = await world.accept([newTask('one')]);
  await world.until('the claim', async () => {
    const [row] = await world.rows('SELECT claimed_until_ms AS until FROM job_definitions');
    return Number(row?.['until'] ?? 0) > 0;
  });
  const [row] = await world.rows(
    'SELECT claimed_until_ms - UNIX_TIMESTAMP() * 1000 AS ahead FROM job_definitions',
  );
  expect(Number(row?.['ahead'])).toBeLessThan(2 * MINUTE_MS);
  expect(await outcomes(ids)).toEqual(['done']);
});

test('tasks of one array end one after another on hosts whose clocks are hours apart, and each is seen', async () => {
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const skews = [0, 120, -120, 0, -60];
  world.behave(({ container: { arrayIndex = 0 } }) => ({
    until: gates[arrayIndex]?.promise ?? Promise.resolve(),
    skewMs: (skews[arrayIndex] ?? 0) * MINUTE_MS,
  }));
  await world.startWorkers();
  const ids = await world.accept(
    manyTasks(5, (at) => newTask(`t${at}`)),
    's',
  );
  for (const [at, gate] of gates.entries()) {
    gate.resolve();
    await world.until(
      `${at + 1} to be done`,
      async () => (await world.rows(`SELECT 1 FROM tasks WHERE place = 'done'`)).length === at + 1,
    );
  }
  expect(await outcomes(ids)).toEqual(['done']);
});
