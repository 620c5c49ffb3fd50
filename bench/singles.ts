/** Tasks posted one by one: how many are accepted and read per second, and how they are packed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { select, selectFirst } from '../db/rows.ts';
import { inWorld } from './in-world.ts';
import { runLoad, type LoadResult } from './load.ts';
import { spreadOf } from './meters.ts';
import type { BenchOptions } from './options.ts';
import { requestRows, spreadRow, usageRows, type Row, type Rows } from './report.ts';
import { BUCKET, type Snapshot, type World } from './world.ts';

export const TASKS_PATH = '/ga4gh/tes/v1/tasks';

export async function singles(options: BenchOptions): Promise<Rows> {
  return inWorld(options, { workers: 0 }, async (world) => {
    // The first seconds of a process go to its compiler.
    const warm = await post(world, { ...options, seconds: Math.min(2, options.seconds) }, 'warm');
    const alone = await post(world, options, 'alone');
    const read = await get(world, options, [...warm.ids, ...alone.ids]);
    await world.restartWorkers(options.workers);
    await untilSubmitted(world);
    const draining = await post(world, options, 'with');
    return {
      'POST, no workers': alone.row,
      'GET MINIMAL': read,
      'POST, workers draining': { ...draining.row, ...(await packing(world, 'with')) },
    };
  });
}

export const singleTask = (label: string, position: number): string =>
  JSON.stringify({
    name: `${label}-${position}`,
    tags: { run: label },
    outputs: [{ url: `s3://${BUCKET}/out/${label}/${position}.txt`, path: '/work/out.txt' }],
    executors: [
      {
        image: 'registry.example/tools/single:1',
        command: ['sh', '-c', `echo ${position} > /work/out.txt`],
      },
    ],
    resources: { cpu_cores: 1, ram_gb: 2 },
  });

interface Posted {
  row: Row;
  ids: string[];
}

async function post(
  world: World,
  { connections, seconds }: BenchOptions,
  label: string,
): Promise<Posted> {
  const ids: string[] = [];
  const before = await world.snapshot();
  const untilMs = performance.now() + seconds * 1000;
  let sent = 0;
  const result = await runLoad({
    url: world.apiUrl,
    connections,
    next: () =>
      performance.now() < untilMs
        ? { method: 'POST', path: TASKS_PATH, body: singleTask(label, sent++) }
        : undefined,
    onAnswer: (body) => void ids.push((JSON.parse(body) as { id: string }).id),
  });
  return { ids, row: loadRow(result, before, await world.snapshot()) };
}

const loadRow = (result: LoadResult, before: Snapshot, after: Snapshot): Row => ({
  'per second': result.perSecond,
  answers: result.answers,
  ...spreadRow('answer', result.latency),
  ...usageRows(before, after, result.answers),
});

async function get(
  world: World,
  { connections, seconds }: BenchOptions,
  ids: readonly string[],
): Promise<Row> {
  const before = await world.snapshot();
  const untilMs = performance.now() + seconds * 1000;
  let sent = 0;
  const result = await runLoad({
    url: world.apiUrl,
    connections,
    next: () =>
      performance.now() < untilMs
        ? { method: 'GET', path: `${TASKS_PATH}/${ids[sent++ % ids.length]}?view=MINIMAL` }
        : undefined,
  });
  return loadRow(result, before, await world.snapshot());
}

async function untilSubmitted(world: World): Promise<void> {
  for (;;) {
    const waiting = await selectFirst<{ id: number }>(
      world.pool,
      `SELECT id FROM tasks
        WHERE due_ms IS NOT NULL AND place IN ('cache-check', 'stage-script', 'submit') LIMIT 1`,
    );
    if (waiting === undefined) return;
    await sleep(500);
  }
}

/** How many tasks one SubmitJob carried, and how long each waited for it. */
async function packing(world: World, label: string): Promise<Row> {
  await untilSubmitted(world);
  const rows = await select<{ id: number; size: number; waitedMs: number }>(
    world.pool,
    `SELECT submissions.id, submissions.size,
       CAST(submissions.submitted_ms AS SIGNED) - CAST(tasks.created_ms AS SIGNED) AS waitedMs
     FROM tasks JOIN submissions ON submissions.id = tasks.submission_id
     WHERE tasks.name LIKE ?`,
    [`${label}-%`],
  );
  const sizes = new Map(rows.map(({ id, size }) => [id, size]));
  return {
    submissions: sizes.size,
    'tasks/submission': rows.length / sizes.size,
    ...spreadRow('POST→submitted', spreadOf(rows.map(({ waitedMs }) => waitedMs))),
    ...requestRows(await world.counts(), rows.length),
  };
}
