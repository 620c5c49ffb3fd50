import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { NewTask } from '../../core/task/task.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeAll(async () => {
  world = await startFleetWorld();
  await world.startWorkers();
});
afterAll(() => world.close());

/** Each test has a call of its own. */
let call = 0;
beforeEach(() => {
  call += 1;
  world.effects.length = 0;
});

/** All of them are the same call. */
const sameCall = (name: string, more: Partial<Omit<NewTask, 'spec'>> = {}): NewTask =>
  newTask(name, {
    cache: 'readwrite',
    ...more,
    spec: { executors: [{ image: 'debian:12', command: ['simulate', String(call)] }] },
  });
const rowsOf = (count: number, prefix: string): NewTask[] =>
  manyTasks(count, (at) => sameCall(`${prefix}-${at}`));
const hitsOf = (tasks: readonly { hitEntryId: number | null }[]): (number | null)[] =>
  tasks.map(({ hitEntryId }) => hitEntryId);

test('eight equal rows run eight times, and each row of a second run hits its own result', async () => {
  world.behave(() => ({ durationMs: 100 }));
  const first = await world.ended(await world.accept(rowsOf(8, 'a'), 'first'));
  expect(hitsOf(first)).toEqual(first.map(() => null));
  expect(world.effects).toHaveLength(8);

  const second = await world.ended(await world.accept(rowsOf(8, 'b'), 'second'));
  expect(world.effects).toHaveLength(8);
  const entries = await world.rows('SELECT id, task_id AS taskId FROM cache_entries');
  const writers = new Map(entries.map(({ id, taskId }) => [Number(id), Number(taskId)]));
  expect(hitsOf(second).map((id) => writers.get(id ?? 0))).toEqual(first.map(({ id }) => id));

  // A task that comes alone is the first of its kind.
  const [alone] = await world.ended(await world.accept([sameCall('alone')]));
  expect(writers.get(alone?.hitEntryId ?? 0)).toBe(first[0]?.id);
});

test('equal calls of different scatters, and tasks that come one by one, run once in flight', async () => {
  world.behave(() => ({ durationMs: 400 }));
  const ids = [
    ...(await world.accept(rowsOf(2, 'a'), 'first')),
    ...(await world.accept(rowsOf(2, 'b'), 'second')),
    ...(await world.accept([sameCall('c')])),
    ...(await world.accept([sameCall('d')])),
  ];
  const ended = await world.ended(ids);
  expect(new Set(ended.map(({ place }) => place))).toEqual(new Set(['done']));
  expect(world.effects).toHaveLength(2);
});

test('a task with merge off runs beside an equal one in flight, and still hits an entry', async () => {
  const { promise: bothRun, resolve: run } = Promise.withResolvers<void>();
  let started = 0;
  world.behave(() => {
    started += 1;
    if (started === 2) run();
    return { until: bothRun };
  });
  const tasks = [sameCall('a'), sameCall('b', { merge: 'off' })];
  expect(hitsOf(await world.ended(await world.accept(tasks)))).toEqual([null, null]);
  expect(world.effects).toHaveLength(2);
  const [third] = await world.ended(await world.accept([sameCall('c', { merge: 'off' })]));
  expect(third?.hitEntryId).not.toBeNull();
});
