/**
 * Scatters are posted one after another, as fast as the API takes them, and none of their tasks ends: the rate, the
 * cost, and the size of each process by tenths of the tasks, until all of them are in Batch.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { selectFirst } from '../db/rows.ts';
import { inWorld } from './in-world.ts';
import type { BenchOptions } from './options.ts';
import { usageRows, type Row, type Rows } from './report.ts';
import { postScatter, putInputs, type ScatterPlan } from './scatters.ts';
import type { Snapshot, World } from './world.ts';

const PARTS = 10;
const LOOK_MS = 500;
/** So that the local S3 does not have to hold an object for each task. */
const INPUTS = 1000;
const DATABASE_MIB = 4096;
/** No task ends while this is measured. */
const RUN_MS: [number, number] = [86_400_000, 86_400_000];

export async function saturate(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  for (const tasks of options.tasks) {
    const wanted = { workers: options.workers, databaseMib: DATABASE_MIB, aws: { runMs: RUN_MS } };
    await inWorld(options, wanted, async (world) => {
      const plan = { label: `s${tasks}`, tasks, cache: options.cache, inputs: INPUTS };
      await putInputs(world, plan.label, INPUTS);
      Object.assign(rows, await watchParts(world, plan));
    });
  }
  return rows;
}

async function watchParts(world: World, plan: ScatterPlan): Promise<Rows> {
  const { tasks } = plan;
  const rows: Rows = {};
  const first = await world.snapshot();
  // Of scatters before this one.
  const others = await countRows(world, SUBMITTED);
  const failed = new AbortController();
  const posted = postScatter(world, plan).then(() => Date.now());
  posted.catch((error: unknown) => failed.abort(error));
  let before = { snapshot: first, submitted: 0 };
  for (let part = 1; part <= PARTS; part += 1) {
    const until = Math.round((tasks * part) / PARTS);
    const submitted = (await untilSubmitted(world, others + until, failed.signal)) - others;
    const snapshot = await world.snapshot();
    rows[`until ${until}`] = {
      ...partRow(before, { snapshot, submitted }),
      accepted: await countRows(world, 'SELECT COALESCE(SUM(size), 0) AS count FROM scatters'),
      'database MB': await countRows(world, DATABASE_MB),
    };
    before = { snapshot, submitted };
    console.log(`${submitted} of ${tasks} tasks are submitted.`);
  }
  rows['all'] = {
    ...partRow({ snapshot: first, submitted: 0 }, before),
    'POST until accepted tasks/s': (tasks / ((await posted) - first.atMs)) * 1000,
  };
  return rows;
}

interface Mark {
  snapshot: Snapshot;
  submitted: number;
}

/** Between two marks: rate, cost of each process, and how much of the time each was on a core. */
function partRow(before: Mark, after: Mark): Row {
  const tasks = after.submitted - before.submitted;
  const seconds = (after.snapshot.atMs - before.snapshot.atMs) / 1000;
  const row: Row = { 'submitted tasks/s': tasks / seconds };
  for (const [name, { cpuSeconds, residentMb }] of Object.entries(after.snapshot.usage)) {
    row[`${name} MB`] = residentMb;
    row[`${name} cores`] = (cpuSeconds - (before.snapshot.usage[name]?.cpuSeconds ?? 0)) / seconds;
  }
  return { ...row, ...usageRows(before.snapshot, after.snapshot, tasks) };
}

const SUBMITTED =
  'SELECT COALESCE(SUM(size), 0) AS count FROM submissions WHERE submitted_ms IS NOT NULL';

const DATABASE_MB = `SELECT SUM(data_length + index_length) / 1048576 AS count
  FROM information_schema.tables WHERE table_schema = DATABASE()`;

/** SUM gives DECIMAL, which arrives as text. */
const countRows = async ({ pool }: World, sql: string): Promise<number> =>
  Number((await selectFirst<{ count: number | string }>(pool, sql, []))?.count ?? 0);

async function untilSubmitted(world: World, wanted: number, failed: AbortSignal): Promise<number> {
  for (;;) {
    failed.throwIfAborted();
    const submitted = await countRows(world, SUBMITTED);
    if (submitted >= wanted) return submitted;
    await sleep(LOOK_MS);
  }
}
