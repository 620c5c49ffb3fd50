/**
 * What a task costs in counts, which a busy machine does not change: requests, statements, rows that are
 * read and written. A test compares them with bench/reference/counts.json.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { selectFirst } from '../db/rows.ts';
import { inWorld } from './in-world.ts';
import { runLoad } from './load.ts';
import type { BenchOptions } from './options.ts';
import { requestRows, usageRows, type Row, type Rows } from './report.ts';
import { runScatter } from './scatter.ts';
import { singleTask, TASKS_PATH } from './singles.ts';
import type { World } from './world.ts';

/**
 * The counts that are compared, each with how much more than its reference it may be, and how much of it each
 * second may add: the fleet looks at Batch, at S3 and for lost messages while tasks run, and a busy machine takes longer.
 * Rows read differed by a third between runs of one commit: the database chooses another plan as a table grows.
 */
const COMPARED: Readonly<Record<string, { times: number; perSecond: number }>> = {
  'SQL rows written/task': { times: 1.04, perSecond: 0 },
  'SQL rows read/task': { times: 1.6, perSecond: 200 },
  'SQL statements/task': { times: 1.4, perSecond: 20 },
  'Redis commands/task': { times: 1.4, perSecond: 100 },
  's3 requests/task': { times: 1.4, perSecond: 2 },
  'batch requests/task': { times: 1.6, perSecond: 2 },
};
const SECONDS = 'seconds';
const TASKS = 'tasks';

const PACE = { BATCHWELL_POLL_MS: '1000', BATCHWELL_PACK_IDLE_MS: '200' };

/** Of the tasks, one in ten is posted by itself. */
const SINGLES_SHARE = 0.1;

export async function counts(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  for (const tasks of options.tasks) {
    await inWorld(options, options, async (world) => {
      // The same pace in every world: what looks cost is part of the counts.
      await world.restartWorkers(options.workers, { env: PACE });
      // The first tasks of a fleet read what later ones share.
      await runScatter(world, { label: 'warm', tasks: 20, cache: options.cache });
      const first = { label: `counts${tasks}`, tasks, cache: options.cache };
      rows[`${tasks} wide`] = await compared(tasks, () => runScatter(world, first));
      const again = { ...first, label: `again${tasks}`, like: first.label };
      rows[`${tasks} wide, hits`] = await compared(tasks, () => runScatter(world, again));
      const singles = Math.ceil(tasks * SINGLES_SHARE);
      rows[`${singles} singles`] = await compared(singles, () => runSingles(world, singles));
    });
  }
  return rows;
}

async function compared(tasks: number, run: () => Promise<Row>): Promise<Row> {
  const startedMs = performance.now();
  const row = await run();
  return {
    ...Object.fromEntries(Object.keys(COMPARED).map((name) => [name, row[name] ?? 0])),
    [TASKS]: tasks,
    [SECONDS]: Math.ceil((performance.now() - startedMs) / 1000),
  };
}

async function runSingles(world: World, tasks: number): Promise<Row> {
  await world.reset();
  const before = await world.snapshot();
  let sent = 0;
  await runLoad({
    url: world.apiUrl,
    connections: 4,
    next: () => {
      if (sent >= tasks) return undefined;
      sent += 1;
      return { method: 'POST', path: TASKS_PATH, body: singleTask('counted', sent) };
    },
  });
  await untilDone(world, 'counted-%', tasks);
  const after = await world.snapshot();
  return { ...requestRows(await world.counts(), tasks), ...usageRows(before, after, tasks) };
}

async function untilDone({ pool }: World, name: string, tasks: number): Promise<void> {
  for (;;) {
    const row = await selectFirst<{ count: number }>(
      pool,
      `SELECT COUNT(*) AS count FROM tasks WHERE name LIKE ? AND place = 'done'`,
      [name],
    );
    if (row && row.count >= tasks) return;
    await sleep(1000);
  }
}

/** The counts that are higher than `reference` allows, in words; empty when none is. */
export function findIncreases(reference: Rows, measured: Rows): string[] {
  return Object.entries(reference).flatMap(([name, was]) => {
    const is = measured[name] ?? {};
    const longerSeconds = Math.max(0, (is[SECONDS] ?? 0) - (was[SECONDS] ?? 0));
    return Object.entries(COMPARED).flatMap(([count, { times, perSecond }]) => {
      const looks = (longerSeconds * perSecond) / (was[TASKS] ?? 1);
      const most = (was[count] ?? 0) * times + looks;
      return (is[count] ?? Number.NaN) <= most
        ? []
        : [`${name}: ${count} was ${was[count]}, is ${is[count]}`];
    });
  });
}
