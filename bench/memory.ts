/**
 * Many tasks in flight: the memory of each process, and how long a single task posted meanwhile
 * waits for its SubmitJob.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { select } from '../db/rows.ts';
import { inWorld } from './in-world.ts';
import { spreadOf } from './meters.ts';
import type { BenchOptions } from './options.ts';
import { requestRows, spreadRow, usageRows, type Row, type Rows } from './report.ts';
import { postScatter, readTimes, untilEnded, untilSubmitted } from './scatters.ts';
import type { World } from './world.ts';

const SINGLE_EVERY_MS = 250;

export async function memory(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  for (const tasks of options.tasks) {
    const wanted = {
      workers: options.workers,
      aws: { runMs: [60_000, 120_000] as [number, number] },
    };
    await inWorld(options, wanted, async (world) => {
      const before = await world.snapshot();
      const stop = new AbortController();
      const singles = postSingles(world, stop.signal);
      const { names } = await postScatter(world, { label: `m${tasks}`, tasks, cache: 'off' });
      await untilSubmitted(world, names);
      const inFlight = await world.snapshot();
      const toSubmittedMs = (await readTimes(world, names)).toSubmittedMs;
      const countsInFlight = await world.counts();
      await untilEnded(world, names);
      stop.abort();
      await singles;
      const after = await world.snapshot();
      const times = await readTimes(world, names);
      rows[`${tasks} in flight`] = {
        'accepted→submitted tasks/s': (tasks / toSubmittedMs) * 1000,
        ...resident(inFlight.usage),
        ...requestRows(countsInFlight, tasks),
        ...usageRows(before, inFlight, tasks),
      };
      rows[`${tasks} ended`] = {
        'accepted→done ms': times.toDoneMs,
        done: times.places['done'] ?? 0,
        ...(await waits(world)),
        ...requestRows(await world.counts(), tasks),
        ...usageRows(before, after, tasks),
      };
    });
  }
  return rows;
}

const resident = (usage: Record<string, { residentMb: number }>): Row =>
  Object.fromEntries(
    Object.entries(usage).map(([name, { residentMb }]) => [`${name} MB`, residentMb]),
  );

async function postSingles(world: World, stop: AbortSignal): Promise<void> {
  for (let sent = 0; !stop.aborted; sent += 1) {
    const body = JSON.stringify({
      name: `between-${sent}`,
      executors: [{ image: 'registry.example/tools/between:1', command: ['echo', String(sent)] }],
      resources: { cpu_cores: 1, ram_gb: 1 },
    });
    const answer = await fetch(`${world.apiUrl}/ga4gh/tes/v1/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    await answer.text();
    await sleep(SINGLE_EVERY_MS, undefined, { signal: stop }).catch(() => undefined);
  }
}

async function waits(world: World): Promise<Row> {
  const rows = await select<{ waitedMs: number }>(
    world.pool,
    `SELECT CAST(submissions.submitted_ms AS SIGNED) - CAST(tasks.created_ms AS SIGNED) AS waitedMs FROM tasks
      JOIN submissions ON submissions.id = tasks.submission_id
      WHERE tasks.name LIKE 'between-%' AND submissions.submitted_ms IS NOT NULL`,
  );
  return spreadRow('single POST→SubmitJob', spreadOf(rows.map(({ waitedMs }) => waitedMs)));
}
