/**
 * The end of wide scatters by itself: every container has ended and written its record before poll and
 * finalize begin, so that the containers' writing takes no part in what is measured.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { selectFirst } from '../db/rows.ts';
import { inWorld } from './in-world.ts';
import type { BenchOptions } from './options.ts';
import { untilPurged } from './purge.ts';
import { requestRows, stageRows, usageRows, type Rows } from './report.ts';
import { postScatter, putInputs, readTimes, untilEnded, untilSubmitted } from './scatters.ts';
import type { Snapshot, World } from './world.ts';

export async function drain(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  for (const tasks of options.tasks) {
    const wanted = {
      workers: 0,
      databaseMib: 1024,
      aws: { runMs: [500, 1500] as [number, number] },
    };
    await inWorld(options, wanted, async (world) => {
      await world.restartWorkers(1, { stages: ['cache-check', 'stage-script', 'submit'] });
      const names = await postAll(world, options, tasks);
      await untilSubmitted(world, names);
      await world.restartWorkers(0);
      await untilContainersEnded(world, tasks);
      await world.reset();
      await untilPurged(world.pool);
      await world.restartWorkers(options.workers);
      const before = await world.snapshot();
      await untilEnded(world, names);
      const after = await world.snapshot();
      const endedMs = (await readLastEnd(world)) - before.atMs;
      const { places } = await readTimes(world, names);
      await untilPurged(world.pool);
      const purged = await world.snapshot();
      rows[`${tasks} ended`] = {
        'ended→done tasks/s': (tasks / endedMs) * 1000,
        'ended→done ms': endedMs,
        done: places['done'] ?? 0,
        ...requestRows(await world.counts(), tasks),
        ...stageRows(await world.meters()),
        ...usageRows(before, after, tasks),
        'mariadb CPU ms/task, with its purge':
          (1000 * (cpuOf(purged, 'mariadb') - cpuOf(before, 'mariadb'))) / tasks,
      };
    });
  }
  return rows;
}

const cpuOf = ({ usage }: Snapshot, name: string): number => usage[name]?.cpuSeconds ?? 0;

async function postAll(
  world: World,
  { cache }: BenchOptions,
  tasks: number,
): Promise<readonly string[]> {
  const label = `drain${tasks}`;
  await putInputs(world, label, tasks);
  const { names } = await postScatter(world, { label, tasks, cache });
  return names;
}

async function untilContainersEnded(world: World, tasks: number): Promise<void> {
  for (;;) {
    const { starts, running } = await world.counts();
    if (starts >= tasks && running === 0) return;
    await sleep(500);
  }
}

const readLastEnd = async ({ pool }: World): Promise<number> =>
  (
    await selectFirst<{ endedMs: number }>(
      pool,
      'SELECT CAST(MAX(ended_ms) AS SIGNED) AS endedMs FROM tasks',
    )
  )?.endedMs ?? Number.NaN;
