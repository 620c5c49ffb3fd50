/** Tasks POSTed one by one: how many are accepted, read again, and how they are packed. */
import type { RowDataPacket } from 'mysql2/promise';
import { setTimeout as sleep } from 'node:timers/promises';
import { runLoad } from './load.ts';
import { spreadOf } from './meters.ts';
import type { BenchOptions } from './options.ts';
import { requestRows, spreadRow, usageRows, type Row, type Rows } from './report.ts';
import { BUCKET, startWorld, type World } from './world.ts';

const TASKS = '/ga4gh/tes/v1/tasks';

export async function singles(options: BenchOptions): Promise<Rows> {
  const world = await startWorld({ workers: 0, seed: options.seed, ...options.world });
  try {
    const rows: Rows = {};
    await post(world, { ...options, seconds: 2 }, 'warm'); // the first seconds of a process are its compiler's
    rows['POST, no workers'] = await post(world, options, 'alone');
    rows['GET MINIMAL'] = await get(world, options);
    await world.restartWorkers(options.workers);
    await untilSubmitted(world);
    rows['POST, workers draining'] = await post(world, options, 'with');
    Object.assign(rows['POST, workers draining'] ?? {}, await packing(world, 'with'));
    return rows;
  } finally {
    await world.close();
  }
}

const singleTask = (label: string, position: number): string =>
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

const known: string[] = [];

async function post(
  world: World,
  { connections, seconds }: BenchOptions,
  label: string,
): Promise<Row> {
  const before = await world.snapshot();
  const untilMs = performance.now() + seconds * 1000;
  let sent = 0;
  const result = await runLoad({
    url: world.apiUrl,
    connections,
    next: () =>
      performance.now() < untilMs
        ? { method: 'POST', path: TASKS, body: singleTask(label, sent++) }
        : undefined,
    onAnswer: (body) => void known.push((JSON.parse(body) as { id: string }).id),
  });
  return {
    'per second': result.perSecond,
    answers: result.answers,
    ...spreadRow('answer', result.latency),
    ...usageRows(before, await world.snapshot(), result.answers),
  };
}

async function get(world: World, { connections, seconds }: BenchOptions): Promise<Row> {
  const before = await world.snapshot();
  const untilMs = performance.now() + seconds * 1000;
  let sent = 0;
  const result = await runLoad({
    url: world.apiUrl,
    connections,
    next: () =>
      performance.now() < untilMs
        ? { method: 'GET', path: `${TASKS}/${known[sent++ % known.length]}?view=MINIMAL` }
        : undefined,
  });
  return {
    'per second': result.perSecond,
    answers: result.answers,
    ...spreadRow('answer', result.latency),
    ...usageRows(before, await world.snapshot(), result.answers),
  };
}

async function untilSubmitted(world: World): Promise<void> {
  for (;;) {
    const [rows] = await world.pool.query<RowDataPacket[]>(
      `SELECT 1 FROM tasks WHERE due_ms IS NOT NULL AND place IN ('cache-check', 'stage-script', 'submit') LIMIT 1`,
    );
    if (rows.length === 0) return;
    await sleep(500);
  }
}

/** How many tasks went with one SubmitJob, and how long each waited for it. */
async function packing(world: World, label: string): Promise<Row> {
  await untilSubmitted(world);
  const [rows] = await world.pool.query<RowDataPacket[]>(
    `SELECT submissions.id, submissions.size, submissions.submitted_ms - tasks.created_ms AS waitedMs FROM tasks JOIN submissions ON submissions.id = tasks.submission_id
     WHERE tasks.name LIKE ?`,
    [`${label}-%`],
  );
  const sizes = new Map(rows.map((row) => [row['id'], Number(row['size'])]));
  return {
    submissions: sizes.size,
    'tasks/submission': rows.length / sizes.size,
    ...spreadRow('POST→submitted', spreadOf(rows.map((row) => Number(row['waitedMs'])))),
    ...requestRows(await world.counts(), rows.length),
  };
}
