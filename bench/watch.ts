/**
 * Many attempts that run at once and end over time: the cost of watching them, and the delay until
 * an end is seen.
 */
import { inWorld } from './in-world.ts';
import type { BenchOptions } from './options.ts';
import {
  countRequests,
  requestRows,
  spreadRow,
  stageRows,
  usageRows,
  type Rows,
} from './report.ts';
import { postScatter, putInputs, readDelays, untilEnded, untilSubmitted } from './scatters.ts';

export async function watch(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  for (const tasks of options.tasks) {
    const wanted = {
      workers: options.workers,
      aws: { runMs: [20_000, 80_000] as [number, number] },
    };
    await inWorld(options, wanted, async (world) => {
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
      const delays = await readDelays(world, names);
      rows[`${tasks} running`] = {
        'watched s': seconds,
        'Batch requests/s': countRequests(counts, 'batch') / seconds,
        'S3 requests/s': countRequests(counts, 's3') / seconds,
        ...spreadRow('seen', delays.seen),
        ...spreadRow('ended', delays.ended),
        ...requestRows(counts, tasks),
        ...stageRows(await world.meters()),
        ...usageRows(before, after, tasks),
      };
    });
  }
  return rows;
}
