/** A worker is killed at each named step; another carries on, and nothing is lost or done twice. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { steps } from '../../workers/steps.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from '../flow/harness.ts';
import { expectExactlyOnce } from './invariants.ts';
import { CRASH_SETTINGS, startWorkerProcess, type WorkerProcess } from './processes.ts';

let world: FleetWorld;
let workers: WorkerProcess[];
beforeEach(async () => {
  workers = [];
  world = await startFleetWorld(CRASH_SETTINGS);
});
afterEach(async () => {
  for (const worker of workers) worker.kill();
  await Promise.all(workers.map(({ ended }) => ended));
  await world.close();
});

const WIDTH = 30;
/** Tasks of different names and equal commands: those of the second scatter are hits of the first. */
const scatter = (run: string) => manyTasks(WIDTH, (at) => newTask(`${run}-${at}`, { cache: 'readwrite', spec: { executors: [{ image: 'debian:12', command: ['work', String(at)] }] } }));

test.each(steps)('killed at %s', async (step) => {
  const ids = await world.accept(scatter('first'));
  const first = await startWorkerProcess(world, { step });
  workers.push(first);
  expect(await first.ended, 'the worker was really killed').toBe('SIGKILL');

  workers.push(await startWorkerProcess(world));
  await expectExactlyOnce(world, ids);
  const again = await world.accept(scatter('second'));
  await expectExactlyOnce(world, [...ids, ...again]);
  expect((await world.tasks(again)).every(({ hitEntryId }) => hitEntryId !== null), 'the cache was written whole').toBe(true);
}, 40_000);
