/**
 * Equal tasks: posted one by one they are one run and many hits; as rows of one scatter each of them
 * runs, and each is a hit of its own when the scatter comes again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { selectFirst } from '../db/rows.ts';
import { inWorld } from './in-world.ts';
import { runLoad } from './load.ts';
import type { BenchOptions } from './options.ts';
import { requestRows, usageRows, type Row, type Rows } from './report.ts';
import { BUCKET, type World } from './world.ts';

/** The leader runs while most of the others are posted. */
const RUN_MS: [number, number] = [5000, 5000];

export async function flights(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  const wanted = { workers: options.workers, aws: { runMs: RUN_MS } };
  for (const tasks of options.tasks) {
    await inWorld(options, wanted, async (world) => {
      rows[`${tasks} one by one`] = await measure(world, tasks, (prefix) =>
        postSingles(world, { prefix, tasks, connections: options.connections }),
      );
      for (const time of ['first', 'second'])
        rows[`${tasks} rows, ${time} time`] = await measure(world, tasks, (prefix) =>
          postRows(world, { prefix, tasks }),
        );
    });
  }
  return rows;
}

let measured = 0;

/** @param post tasks whose names begin with the prefix */
async function measure(
  world: World,
  tasks: number,
  post: (prefix: string) => Promise<number>,
): Promise<Row> {
  measured += 1;
  const prefix = `equal${measured}`;
  await world.reset();
  const before = await world.snapshot();
  const postMs = await post(prefix);
  const ended = await untilEnded(world, prefix);
  const after = await world.snapshot();
  const counts = await world.counts();
  return {
    runs: counts.starts,
    hits: Number(ended.hits),
    done: Number(ended.done),
    'POST ms': postMs,
    'accepted→done ms': Number(ended.toDoneMs),
    ...requestRows(counts, tasks),
    ...usageRows(before, after, tasks),
  };
}

interface Ended {
  open: string | number;
  done: string | number;
  hits: string | number;
  toDoneMs: string | number;
}

async function untilEnded(world: World, prefix: string): Promise<Ended> {
  for (;;) {
    const row = await selectFirst<Ended>(
      world.pool,
      `SELECT COALESCE(SUM(ended_ms IS NULL), 0) AS open, SUM(place = 'done') AS done,
         SUM(hit_entry_id IS NOT NULL) AS hits, MAX(ended_ms) - MIN(created_ms) AS toDoneMs
        FROM tasks WHERE name LIKE ?`,
      [`${prefix}-%`],
    );
    if (row && Number(row.open) === 0) return row;
    await sleep(500);
  }
}

interface Posting {
  prefix: string;
  tasks: number;
}

const outputUrl = (prefix: string, what: number | string): string =>
  `s3://${BUCKET}/out/${prefix}/${what}.txt`;

const equalTask = (kind: string, name: string, output: string) => ({
  name,
  outputs: [{ url: output, path: '/work/out.txt' }],
  executors: [{ image: 'registry.example/tools/equal:1', command: ['simulate', kind] }],
  resources: { cpu_cores: 1, ram_gb: 2 },
  tags: { 'batchwell.cache': 'readwrite' },
});

/** Returns how long it took, ms. */
async function postSingles(
  world: World,
  { prefix, tasks, connections }: Posting & { connections: number },
): Promise<number> {
  let sent = 0;
  const { seconds } = await runLoad({
    url: world.apiUrl,
    connections,
    next: () => {
      if (sent >= tasks) return undefined;
      sent += 1;
      const task = equalTask('single', `${prefix}-${sent}`, outputUrl(prefix, sent));
      return { method: 'POST', path: '/ga4gh/tes/v1/tasks', body: JSON.stringify(task) };
    },
  });
  return seconds * 1000;
}

async function postRows(world: World, { prefix, tasks }: Posting): Promise<number> {
  const startedMs = performance.now();
  const answer = await fetch(`${world.apiUrl}/v1/scatters`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      template: equalTask('row', `${prefix}-{{n}}`, outputUrl(prefix, '{{n}}')),
      rows: Array.from({ length: tasks }, (_, n) => ({ n })),
    }),
  });
  if (!answer.ok) throw new Error(`The API answered ${answer.status}: ${await answer.text()}`);
  const { equal_rows: equal } = (await answer.json()) as { equal_rows: number };
  if (equal !== tasks - 1) console.error(`${equal} equal rows where ${tasks - 1} were expected.`);
  return performance.now() - startedMs;
}
