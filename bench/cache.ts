/**
 * The call cache: what a hit costs beside its copies, and lookups among many entries
 * while old ones are pruned.
 */
import { lookups } from './cache-lookups.ts';
import { runHits } from './hits.ts';
import { inWorld } from './in-world.ts';
import type { BenchOptions } from './options.ts';
import type { Row, Rows } from './report.ts';
import { runScatter } from './scatter.ts';
import type { World } from './world.ts';

/** Wider scatters take long and tell nothing more. */
const WIDEST = 10_000;
const COPIES = [
  's3.CopyObject',
  's3.UploadPartCopy',
  's3.CreateMultipartUpload',
  's3.CompleteMultipartUpload',
];

export async function cache(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  for (const tasks of options.tasks) {
    const wanted = { workers: options.workers, aws: { runMs: [200, 2000] as [number, number] } };
    await inWorld(options, wanted, async (world) => {
      rows[`${tasks} entries`] = await lookups(world, tasks);
      Object.assign(rows, await hitsBesideCopies(world, options, Math.min(tasks, WIDEST)));
    });
  }
  return rows;
}

async function hitsBesideCopies(
  world: World,
  { workers, rounds }: BenchOptions,
  tasks: number,
): Promise<Rows> {
  const rows: Rows = {};
  const label = `c${tasks}`;
  for (const mode of ['reference', 'copy']) {
    await world.restartWorkers(workers, {
      env: { BATCHWELL_CACHE_HIT: mode, BATCHWELL_CACHE_UNVERSIONED: mode },
    });
    if (mode === 'reference') await runScatter(world, { label, tasks, cache: 'readwrite' });
    // The first round warms up the new processes.
    for (let round = 1; round <= rounds; round += 1) {
      const again = `${label}-cache-${mode}-${round}`;
      const row = await runHits(world, { label, tasks, again });
      if (round === rounds) rows[`${tasks} hits, ${mode}`] = besideCopies(row, tasks);
    }
  }
  return rows;
}

function besideCopies(row: Row, tasks: number): Row {
  const copies = COPIES.reduce((sum, operation) => sum + (row[operation] ?? 0), 0);
  return {
    'hits/s': row['hits/s'] ?? 0,
    'S3 requests/hit beside copies': (row['s3 requests/task'] ?? 0) - copies / tasks,
    'copies/hit': copies / tasks,
    'mariadb CPU ms/task': row['mariadb CPU ms/task'] ?? 0,
    'worker1 CPU ms/task': row['worker1 CPU ms/task'] ?? 0,
  };
}
