/** The same scatter with one, two and four worker processes. */
import type { BenchOptions } from './options.ts';
import type { Rows } from './report.ts';
import { runScatter } from './scatter.ts';
import { startWorld } from './world.ts';

const PROCESSES = [1, 2, 4];

export async function scale(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  const { aws, ...others } = options.world;
  for (const tasks of options.tasks) {
    for (const workers of PROCESSES) {
      const world = await startWorld({
        workers,
        seed: options.seed,
        ...others,
        aws: { runMs: [3000, 6000], ...aws },
      });
      try {
        for (let round = 1; round <= options.rounds; round += 1) {
          const row = await runScatter(
            world,
            { label: `s${workers}r${round}`, tasks, cache: options.cache },
            options,
          );
          if (round === options.rounds) rows[`${workers} workers, ${tasks}`] = row;
        }
      } finally {
        await world.close();
      }
    }
  }
  return rows;
}
