/** The lines of the log by which a submission and a scatter can be followed. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelTasks } from '../../db/cancel.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeAll(async () => {
  world = await startFleetWorld();
  await world.startWorkers();
});
afterAll(() => world.close());

const lines = (msg: string): Record<string, unknown>[] =>
  world.lines.filter((line) => line['msg'] === msg);

test('a submission and a scatter have one line when they begin and one when they end, with the same names', async () => {
  world.behave(({ spec }) => ({
    durationMs: 20,
    exitCode: spec.executors[0]?.command[1] === 'bad' ? 3 : 0,
  }));
  const ids = await world.accept([newTask('good'), newTask('bad'), newTask('well')], 'three');
  await world.ended(ids);
  await world.until(
    'both ends',
    () => lines('submission-ended').length > 0 && lines('scatter-ended').length > 0,
  );
  const [submitted] = lines('submission-submitted');
  const [ended] = lines('submission-ended');
  const [scatter] = lines('scatter-ended');
  expect(submitted).toMatchObject({ tasks: 3, owner: 'tester', queue: 'batchwell', level: 30 });
  for (const name of ['submission', 'job', 'scatter', 'owner'])
    expect([name, ended?.[name]]).toEqual([name, submitted?.[name]]);
  expect(ended).toMatchObject({
    tasks: 3,
    succeeded: 2,
    failed: 1,
    runMeanMs: expect.any(Number),
    waitMostMs: expect.any(Number),
    tookMs: expect.any(Number),
  });
  expect(scatter).toMatchObject({
    scatter: submitted?.['scatter'],
    owner: 'tester',
    tasks: 3,
    done: 2,
    failed: 1,
    cancelled: 0,
    level: 30,
  });
  expect([lines('submission-ended').length, lines('scatter-ended').length]).toEqual([1, 1]);
  expect(await world.rows('SELECT ended_ms > 0 AS ended FROM scatters')).toEqual([{ ended: 1 }]);
});

test('a scatter has no line while one of its tasks goes on', async () => {
  const gate = Promise.withResolvers();
  world.behave(() => ({ until: gate.promise }));
  const ids = await world.accept(
    manyTasks(2, (at) => newTask(`open-${at}`)),
    'open',
  );
  await cancelTasks(world.database, ids.slice(0, 1), Date.now());
  await world.until('the other to run', async () => {
    const rows = await world.rows('SELECT started_ms FROM attempts WHERE started_ms IS NOT NULL');
    return rows.length > 0;
  });
  expect(lines('scatter-ended')).toHaveLength(1);
  gate.resolve(undefined);
  await world.ended(ids);
  await world.until('its line', () => lines('scatter-ended').length === 2);
  expect(lines('scatter-ended')[1]).toMatchObject({ tasks: 2, done: 1, cancelled: 1 });
});
