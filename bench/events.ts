/**
 * Event streams: the delay until many listeners hear of ended tasks, and its cost to the API and
 * the database.
 */
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseId } from '../core/ids.ts';
import { cancelTasks } from '../db/cancel.ts';
import { openDatabase, type Database } from '../db/client.ts';
import { inWorld } from './in-world.ts';
import { spreadOf } from './meters.ts';
import type { BenchOptions } from './options.ts';
import { spreadRow, usageRows, type Row, type Rows } from './report.ts';
import type { World } from './world.ts';

interface Audience {
  tasks: number;
  listeners: number;
  /** Each listens to its own part of the tasks. Otherwise, all listen to all. */
  own: boolean;
}

const audiencesOf = (tasks: number): Audience[] => [
  { tasks, listeners: 1, own: false },
  { tasks, listeners: 100, own: false },
  { tasks, listeners: Math.min(1000, tasks), own: true },
];

const TASKS_PER_END = 100;
const BETWEEN_ENDS_MS = 200;

export async function events(options: BenchOptions): Promise<Rows> {
  return inWorld(options, { workers: 0 }, async (world) => {
    const database = openDatabase({ url: world.databaseUrl, connections: 4 });
    try {
      const rows: Rows = {};
      for (const tasks of options.tasks) {
        for (const audience of audiencesOf(tasks))
          rows[nameOf(audience)] = await hear(world, database, audience);
      }
      return rows;
    } finally {
      await database.close();
    }
  });
}

const nameOf = ({ listeners, own, tasks }: Audience): string =>
  `${listeners} listeners${own ? ' to their own' : ''}, ${tasks} ends`;

async function hear(
  world: World,
  database: Database,
  { tasks, listeners, own }: Audience,
): Promise<Row> {
  const ids = await makeScatter(world, tasks, listeners);
  const delaysMs: number[] = [];
  const heard = new Set<string>();
  const endedAtMs = new Map<string, number>();
  const urlOf = (at: number): string => {
    const all = `${world.apiUrl}/v1/events?tag_key=listeners&tag_value=${listeners}`;
    return own ? `${all}&tag_key=part&tag_value=${at}` : all;
  };
  const open = await Promise.all(
    Array.from({ length: listeners }, (_, at) =>
      listen(urlOf(at), (id) => {
        // A stream begins a little in the past, so the change that made a task may show its end,
        // too.
        if (heard.has(`${at} ${id}`)) return;
        heard.add(`${at} ${id}`);
        // Some listeners hear of it before the committing statement returns here.
        delaysMs.push(performance.now() - (endedAtMs.get(id) ?? performance.now()));
      }),
    ),
  );
  const before = await world.snapshot();
  for (let start = 0; start < ids.length; start += TASKS_PER_END) {
    const part = ids.slice(start, start + TASKS_PER_END);
    await cancelTasks(
      database,
      part.map((id) => parseId('task', id)?.key ?? 0),
      Date.now(),
    );
    for (const id of part) endedAtMs.set(id, performance.now());
    await sleep(BETWEEN_ENDS_MS);
  }
  while (delaysMs.length < tasks * (own ? 1 : listeners)) await sleep(50);
  const after = await world.snapshot();
  const seconds = (after.atMs - before.atMs) / 1000;
  for (const close of open) close();
  return {
    'events heard': delaysMs.length,
    ...spreadRow('committed→heard', spreadOf(delaysMs)),
    'statements/s': (after.servers.sqlStatements - before.servers.sqlStatements) / seconds,
    ...usageRows(before, after, delaysMs.length),
  };
}

async function makeScatter(world: World, tasks: number, listeners: number): Promise<string[]> {
  const template = {
    tags: { part: '{{part}}' },
    executors: [{ image: 'registry.example/tools/heard:1', command: ['echo', '{{part}}'] }],
  };
  const body = {
    name: 'heard',
    tags: { listeners: String(listeners) },
    template,
    rows: Array.from({ length: tasks }, (_, at) => ({ part: at % listeners })),
  };
  const answer = await fetch(`${world.apiUrl}/v1/scatters?ids=true`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return ((await answer.json()) as { task_ids: string[] }).task_ids;
}

/** A bare reader: a thousand full clients in one process would dominate the measurement. */
function listen(url: string, onEnd: (id: string) => void): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const asking = request(url, { agent: false }, (answer) => {
      let unread = '';
      answer
        .setEncoding('utf8')
        .on('error', () => undefined)
        .on('data', (text: string) => {
          const lines = (unread + text).split('\n');
          unread = lines.pop() ?? '';
          for (const line of lines)
            if (line.startsWith('data: ') && line.includes('"CANCELED"'))
              onEnd(/"task":"([^"]+)"/.exec(line)?.[1] ?? '');
        });
      answer.once('data', () => resolve(() => asking.destroy()));
    });
    asking.on('error', reject).end();
  });
}
