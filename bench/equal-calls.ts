/** How many of equal tasks run: one of those that come one by one, and each row of a scatter once for ever. */
import { setTimeout as sleep } from 'node:timers/promises';
import { selectFirst } from '../db/rows.ts';
import { runLoad } from './load.ts';
import type { Row, Rows } from './report.ts';
import { BUCKET, type World } from './world.ts';

const LOOK_MS = 250;

const equalTask = (name: string, output: string, tags: Record<string, string>) => ({
  name,
  tags,
  outputs: [{ url: output, path: '/work/out.txt' }],
  executors: [
    { image: `registry.example/tools/${name}:1`, command: ['sh', '-c', 'seq 9 > /work/out.txt'] },
  ],
  resources: { cpu_cores: 1, ram_gb: 2 },
});

const outputUrl = (label: string, row: number | string): string =>
  `s3://${BUCKET}/out/${label}/${row}.txt`;

export async function equalCalls(
  world: World,
  { tasks, connections }: { tasks: number; connections: number },
): Promise<Rows> {
  const single = `equal-single-${tasks}`;
  let sent = 0;
  await runLoad({
    url: world.apiUrl,
    connections,
    next: () => {
      if (sent === tasks) return undefined;
      sent += 1;
      const task = equalTask(single, outputUrl(single, sent), { 'batchwell.cache': 'readwrite' });
      return { method: 'POST', path: '/ga4gh/tes/v1/tasks', body: JSON.stringify(task) };
    },
  });
  const rows: Rows = {
    [`${tasks} equal tasks one by one`]: await untilEnded(world, single, tasks),
  };
  const scatter = `equal-rows-${tasks}`;
  for (const time of ['first', 'second']) {
    await postEqualRows(world, scatter, { tasks, time });
    const all = await untilEnded(world, scatter, time === 'first' ? tasks : tasks * 2);
    const earlier = rows[`${tasks} equal rows, first time`];
    rows[`${tasks} equal rows, ${time} time`] = {
      runs: (all['runs'] ?? 0) - (earlier?.['runs'] ?? 0),
      hits: (all['hits'] ?? 0) - (earlier?.['hits'] ?? 0),
    };
  }
  return rows;
}

async function postEqualRows(
  world: World,
  name: string,
  { tasks, time }: { tasks: number; time: string },
): Promise<void> {
  const answer = await fetch(`${world.apiUrl}/v1/scatters`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      name,
      cache: 'readwrite',
      template: equalTask(name, '{{output}}', {}),
      rows: Array.from({ length: tasks }, (_, row) => ({
        output: outputUrl(`${name}-${time}`, row),
      })),
    }),
  });
  if (!answer.ok) throw new Error(`The API answered ${answer.status}: ${await answer.text()}`);
}

interface EndedTasks {
  ended: number;
  runs: number;
  hits: number;
}

async function untilEnded({ pool }: World, name: string, tasks: number): Promise<Row> {
  for (;;) {
    const row = await selectFirst<EndedTasks>(
      pool,
      `SELECT COUNT(ended_ms) AS ended, COUNT(IF(attempt > 0, 1, NULL)) AS runs,
         COUNT(hit_entry_id) AS hits FROM tasks WHERE name = ?`,
      [name],
    );
    if (row?.ended === tasks) return { runs: row.runs, hits: row.hits };
    await sleep(LOOK_MS);
  }
}
