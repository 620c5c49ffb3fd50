/**
 * Many shapes at once, each with its own definition and SubmitJob, against Batch's limit of 50
 * submissions per second.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { select, selectFirst } from '../db/rows.ts';
import { inWorld } from './in-world.ts';
import { runLoad } from './load.ts';
import type { BenchOptions } from './options.ts';
import { requestRows, usageRows, type Rows } from './report.ts';
import type { World } from './world.ts';

export async function submit(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  for (const shapes of options.tasks) {
    await inWorld(options, options, async (world) => {
      await world.reset();
      const last = await lastSubmission(world);
      const before = await world.snapshot();
      await postShapes(world, shapes, options.connections);
      await untilAllSubmitted(world, shapes, last);
      const after = await world.snapshot();
      rows[`${shapes} shapes`] = {
        ...(await submissionTimes(world, last)),
        ...requestRows(await world.counts(), shapes),
        ...usageRows(before, after, shapes),
      };
    });
  }
  return rows;
}

/** Submissions after this one are the benchmark's own: its world may have others already. */
async function lastSubmission({ pool }: World): Promise<number> {
  const row = await selectFirst<{ id: number | null }>(
    pool,
    'SELECT MAX(id) AS id FROM submissions',
  );
  return row?.id ?? 0;
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

async function untilAllSubmitted(world: World, shapes: number, after: number): Promise<void> {
  for (;;) {
    const row = await selectFirst<{ count: number }>(
      world.pool,
      `SELECT COUNT(*) AS count FROM submissions WHERE submitted_ms IS NOT NULL AND id > ?`,
      [after],
    );
    if (row && row.count >= shapes) return;
    await sleep(500);
  }
}

async function submissionTimes(world: World, after: number): Promise<Record<string, number>> {
  const rows = await select<{ submittedMs: number }>(
    world.pool,
    `SELECT submitted_ms AS submittedMs FROM submissions WHERE submitted_ms IS NOT NULL AND id > ?
      ORDER BY submitted_ms`,
    [after],
  );
  const times = rows.map(({ submittedMs }) => submittedMs);
  const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1000;
  return {
    submissions: times.length,
    'submissions/s': (times.length - 1) / seconds,
    seconds,
  };
}
