/** Many shapes at once, each with a definition and a SubmitJob of its own, against Batch's limit of 50 submissions a second. */
import type { RowDataPacket } from 'mysql2/promise';
import { runLoad } from './load.ts';
import type { BenchOptions } from './options.ts';
import { requestRows, usageRows, type Rows } from './report.ts';
import { startWorld, type World } from './world.ts';
import { setTimeout as sleep } from 'node:timers/promises';

export async function submit(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  for (const shapes of options.tasks) {
    const world = await startWorld({
      workers: options.workers,
      seed: options.seed,
      ...options.world,
    });
    try {
      await world.reset();
      const before = await world.snapshot();
      await postShapes(world, shapes, options.connections);
      await untilAllSubmitted(world, shapes);
      const after = await world.snapshot();
      rows[`${shapes} shapes`] = {
        ...(await submissionTimes(world)),
        ...requestRows(await world.counts(), shapes),
        ...usageRows(before, after, shapes),
      };
    } finally {
      await world.close();
    }
  }
  return rows;
}

async function postShapes(world: World, shapes: number, connections: number): Promise<void> {
  let sent = 0;
  const next = () => {
    if (sent >= shapes) return undefined;
    sent += 1;
    const body = JSON.stringify({
      name: `shape-${sent}`,
      executors: [{ image: `registry.example/tools/shape:${sent}`, command: ['true'] }],
      resources: { cpu_cores: 1, ram_gb: 1 },
    });
    return { method: 'POST' as const, path: '/ga4gh/tes/v1/tasks', body };
  };
  await runLoad({ url: world.apiUrl, connections, next });
}

async function untilAllSubmitted(world: World, shapes: number): Promise<void> {
  for (;;) {
    const [[row]] = await world.pool.query<RowDataPacket[]>(
      'SELECT COUNT(*) AS count FROM submissions WHERE submitted_ms IS NOT NULL',
    );
    if (Number(row?.['count']) >= shapes) return;
    await sleep(500);
  }
}

/** Steady: after the first second, in which the bucket's burst is used up. */
async function submissionTimes(world: World): Promise<Record<string, number>> {
  const [rows] = await world.pool.query<RowDataPacket[]>(
    'SELECT submitted_ms AS submittedMs FROM submissions WHERE submitted_ms IS NOT NULL ORDER BY submitted_ms',
  );
  const times = rows.map((row) => Number(row['submittedMs']));
  const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1000;
  return {
    submissions: times.length,
    'submissions/s': (times.length - 1) / seconds,
    seconds: seconds,
  };
}
