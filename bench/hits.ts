/** The same scatter again: its outputs come from the cache, by reference and by copy. */
import { inWorld } from './in-world.ts';
import type { BenchOptions } from './options.ts';
import { requestRows, stageRows, usageRows, type Row, type Rows } from './report.ts';
import { postScatter, readTimes, untilEnded } from './scatters.ts';
import { runScatter } from './scatter.ts';
import type { World } from './world.ts';

export async function hits(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  for (const tasks of options.tasks) {
    const wanted = { workers: options.workers, aws: { runMs: [200, 2000] as [number, number] } };
    await inWorld(options, wanted, async (world) => {
      const label = `w${tasks}`;
      rows[`${tasks} wide, first time`] = await runScatter(world, {
        label,
        tasks,
        cache: 'readwrite',
      });
      for (const mode of ['reference', 'copy']) {
        await world.restartWorkers(options.workers, {
          // The local S3 keeps no versions.
          env: { BATCHWELL_CACHE_HIT: mode, BATCHWELL_CACHE_UNVERSIONED: mode },
        });
        // The first round also warms up the new processes.
        for (let round = 1; round <= options.rounds; round += 1)
          rows[`${tasks} wide, ${mode} ${round}`] = await runHits(world, {
            label,
            tasks,
            again: `${label}-${mode}-${round}`,
          });
      }
    });
  }
  return rows;
}

export async function runHits(
  world: World,
  { label, tasks, again }: { label: string; tasks: number; again: string },
): Promise<Row> {
  await world.reset();
  const before = await world.snapshot();
  const { names, postMs } = await postScatter(world, {
    label: again,
    like: label,
    tasks,
    cache: 'readwrite',
  });
  await untilEnded(world, names);
  const after = await world.snapshot();
  const times = await readTimes(world, names);
  if (times.submissions > 0)
    console.error(`${times.submissions} submissions where only hits were expected.`);
  return {
    'hits/s': (tasks / times.toDoneMs) * 1000,
    'accepted→done ms': times.toDoneMs,
    'POST ms': postMs.reduce((sum, one) => sum + one, 0),
    ...requestRows(await world.counts(), tasks),
    ...stageRows(await world.meters()),
    ...usageRows(before, after, tasks),
  };
}
