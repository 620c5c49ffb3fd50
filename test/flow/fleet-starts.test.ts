/** RUNNING means that a task's own container runs. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { submissionPrefix, type SubmissionPlace } from '../../core/files/s3-layout.ts';
import { readReportedTasks } from '../../db/reported-tasks.ts';
import { isLong } from '../long.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

const SLOTS = 2;
let world: FleetWorld;
beforeAll(async () => {
  world = await startFleetWorld({}, { slots: SLOTS });
  await world.startWorkers();
});
afterAll(() => world.close());

const running = async (ids: readonly number[]): Promise<number[]> =>
  (await readReportedTasks(world.database.pool, ids))
    .filter((task) => task.running)
    .map(({ id }) => id)
    .toSorted((a, b) => a - b);

test('of an array of 12 on 2 slots, 2 tasks are running, with times of their own, and each in its turn', async () => {
  const gates = manyTasks(12, (at) => newTask(`turn-${at}`)).map(() => Promise.withResolvers());
  const started: number[] = [];
  let first = 0;
  world.behave(({ taskId }) => {
    started.push(taskId);
    return { until: gates[taskId - first]?.promise ?? Promise.resolve() };
  });
  const ids = await world.accept(
    manyTasks(12, (at) => newTask(`turn-${at}`)),
    's',
  );
  first = ids[0] ?? 0;
  await world.until('two tasks to run', async () => (await running(ids)).length === SLOTS);
  expect(await running(ids)).toEqual(started.toSorted((a, b) => a - b));
  expect(await world.rows('SELECT unstarted FROM submissions WHERE size = 12')).toEqual([
    { unstarted: 10 },
  ]);

  const [one = 0, two = 0] = started;
  gates[one - first]?.resolve(undefined);
  await world.until('the next to run', async () => {
    const [, , third = -1] = started;
    return (await running(ids)).join() === [two, third].toSorted((a, b) => a - b).join();
  });
  for (const gate of gates) gate.resolve(undefined);
  const ended = await world.ended(ids);
  expect(new Set(ended.map(({ place }) => place))).toEqual(new Set(['done']));
  expect(world.asked('batch.ListJobs')).toBe(0);
});

test.runIf(isLong)(
  'containers that tell no start, as those of an earlier version, are asked of Batch',
  async () => {
    const gate = Promise.withResolvers();
    world.behave(() => ({ until: gate.promise, silentStart: true }));
    const ids = await world.accept(
      manyTasks(3, (at) => newTask(`silent-${at}`)),
      's',
    );
    await world.until('two tasks to run', async () => (await running(ids)).length === SLOTS);
    expect(world.asked('batch.ListJobs')).toBe(1);
    gate.resolve(undefined);
    await world.ended(ids);
  },
);

test('a start that somebody forged is reported, and changes nothing', async () => {
  const gate = Promise.withResolvers();
  world.behave(() => ({ until: gate.promise }));
  const ids = await world.accept(
    manyTasks(3, (at) => newTask(`forged-${at}`)),
    's',
  );
  await world.until('two tasks to run', async () => (await running(ids)).length === SLOTS);
  const before = await running(ids);
  const [row] = await world.rows(
    `SELECT s.submission_key AS submissionKey, s.owner, s.installation FROM submissions s
      JOIN tasks t ON t.submission_id = s.id WHERE t.id = ?`,
    [ids[0]],
  );
  const results = `s3://work-bucket/${submissionPrefix(row as SubmissionPlace)}results/`;
  for (const index of [0, 1, 2])
    await world.objects.put(
      `${results}${Date.now()}.0000${index}.1.start.${'A'.repeat(22)}`,
      Buffer.alloc(0),
    );
  expect(await running(ids)).toEqual(before);
  gate.resolve(undefined);
  expect((await world.ended(ids)).map(({ place }) => place)).toEqual(['done', 'done', 'done']);
  expect(world.lines).toContainEqual(expect.objectContaining({ msg: 'unproven-object', count: 3 }));
});
