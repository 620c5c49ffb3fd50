/**
 * The same scatter with one to four worker processes. Waits for locks say whether they hinder each other, also where
 * there are fewer cores than processes; `--wire-ms` puts the database behind a network.
 */
import { inWorld } from './in-world.ts';
import type { BenchOptions } from './options.ts';
import type { Rows } from './report.ts';
import { runScatter } from './scatter.ts';

const PROCESSES = [1, 2, 3, 4];

export async function scale(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  for (const tasks of options.tasks) {
    for (const workers of PROCESSES) {
      await inWorld(options, { workers, aws: { runMs: [3000, 6000] } }, async (world) => {
        for (let round = 1; round <= options.rounds; round += 1) {
          const plan = { label: `s${workers}r${round}`, tasks, cache: options.cache };
          const row = await runScatter(world, plan, options);
          if (round === options.rounds) rows[`${workers} workers, ${tasks}`] = row;
        }
      });
    }
  }
  return rows;
}
