/** Many attempts that run at once and end over time: what it costs to watch them, and how soon an end is seen. */
import type { BenchOptions } from './options.ts';
import { requestRows, spreadRow, stageRows, usageRows, type Rows } from './report.ts';
import { postScatter, putInputs, readDelays, untilEnded, untilSubmitted } from './scatters.ts';
import { startWorld } from './world.ts';

export async function watch(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  for (const tasks of options.tasks) {
    const { aws, ...others } = options.world;
    const world = await startWorld({
      workers: options.workers,
      seed: options.seed,
      ...others,
      aws: { runMs: [20_000, 80_000], ...aws },
    });
    try {
      const plan = { label: `watch${tasks}`, tasks, cache: options.cache };
      await putInputs(world, plan.label, tasks);
      const { names } = await postScatter(world, plan);
      await untilSubmitted(world, names);
      await world.reset();
      const before = await world.snapshot();
      await untilEnded(world, names);
      const after = await world.snapshot();
      const seconds = (after.atMs - before.atMs) / 1000;
      const counts = await world.counts();
      const ofBatch = Object.entries(counts.requests)
        .filter(([name]) => name.startsWith('batch.'))
        .reduce((sum, [, { count }]) => sum + count, 0);
      const ofS3 = Object.entries(counts.requests)
        .filter(([name]) => name.startsWith('s3.'))
        .reduce((sum, [, { count }]) => sum + count, 0);
      const delays = await readDelays(world, names);
      rows[`${tasks} running`] = {
        'watched s': seconds,
        'Batch requests/s': ofBatch / seconds,
        'S3 requests/s': ofS3 / seconds,
        ...spreadRow('seen', delays.seen),
        ...spreadRow('ended', delays.ended),
        ...requestRows(counts, tasks),
        ...stageRows(await world.meters()),
        ...usageRows(before, after, tasks),
      };
    } finally {
      await world.close();
    }
  }
  return rows;
}
