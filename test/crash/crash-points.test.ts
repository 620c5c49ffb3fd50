/**
 * A worker is killed at each crash point; another carries on, and nothing is lost or done twice.
 */
import { expect, test } from 'vitest';
import { crashPoints } from '../../workers/crash-points.ts';
import { manyTasks, newTask } from '../flow/harness.ts';
import { everyThird } from '../long.ts';
import { useCrashWorlds } from './crash-world.ts';
import { expectExactlyOnce } from './invariants.ts';
import { startWorkerProcess } from './processes.ts';

const openWorld = useCrashWorlds();

const WIDTH = 30;
/**
 * Tasks of different names and equal commands: those of the second scatter are hits of the first.
 */
const scatter = (run: string) =>
  manyTasks(WIDTH, (at) =>
    newTask(`${run}-${at}`, {
      cache: 'readwrite',
      spec: { executors: [{ image: 'debian:12', command: ['work', String(at)] }] },
    }),
  );

// Which of three neighbours kills a worker makes little difference; `npm run test:long` kills at each.
test.each(everyThird(crashPoints))(
  'a worker that is killed at %s loses nothing, and another worker carries on',
  async (crashPoint) => {
    const world = await openWorld();
    const { fleet, workers } = world;
    const ids = await fleet.accept(scatter('first'));
    const first = await startWorkerProcess(fleet, { crashPoint });
    workers.push(first);
    expect(await first.ended, 'the worker was really killed').toBe('SIGKILL');

    workers.push(await startWorkerProcess(fleet));
    await expectExactlyOnce(world, ids);
    const again = await fleet.accept(scatter('second'));
    await expectExactlyOnce(world, [...ids, ...again]);
    expect(
      (await fleet.tasks(again)).every(({ hitEntryId }) => hitEntryId !== null),
      'the cache was written whole',
    ).toBe(true);
  },
  90_000,
);
