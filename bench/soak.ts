/**
 * Hours of mixed work at a steady pace: scatters, single tasks, hits, failures, retries and cancels, with a webhook
 * and event streams. What must not grow is sampled all the while (soak-samples.ts).
 */
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { selectFirst } from '../db/rows.ts';
import { FAILS, LOSES_FIRST } from './container-effect.ts';
import type { BenchOptions } from './options.ts';
import type { Row, Rows } from './report.ts';
import { drawCurves, judge, takeSample, type Sample } from './soak-samples.ts';
import { BUCKET, type World } from './world.ts';

const KEY = 'soak'.repeat(8);
const SAMPLES = 60;
const BEAT_MS = 1000;

/** How many of 20 tasks are of each kind. */
const KINDS = { fresh: 8, again: 4, single: 3, fails: 2, retried: 2, cancelled: 1 } as const;
type Kind = keyof typeof KINDS;
const OF = Object.values(KINDS).reduce((sum, share) => sum + share, 0);

export async function soak(options: BenchOptions): Promise<Rows> {
  const receiver = await openReceiver();
  try {
    const rows: Rows = {};
    for (const tasks of options.tasks) {
      const world = await options.openWorld({
        ...options.world,
        workers: options.workers,
        seed: options.seed,
        // Full within the first third of the hour: what grows later is a leak.
        databaseMib: 128,
        aws: { runMs: [2000, 10_000], ...options.world.aws },
        env: {
          BATCHWELL_WEBHOOK_ORIGINS: receiver.origin,
          BATCHWELL_WEBHOOK_KEY: KEY,
          ...options.world.env,
        },
      });
      try {
        Object.assign(rows, await soakWorld(world, options, { tasks, receiver }));
      } finally {
        await world.close();
      }
    }
    return rows;
  } finally {
    await receiver.close();
  }
}

interface Plan {
  tasks: number;
  receiver: Receiver;
}

async function soakWorld(
  world: World,
  { minutes }: Pick<BenchOptions, 'minutes'>,
  { tasks, receiver }: Plan,
): Promise<Rows> {
  await send(world, '/v1/webhooks', { url: `${receiver.origin}/ended`, events: ['tasks.ended'] });
  const heard = { events: 0 };
  const closeStream = await listen(world, () => (heard.events += 1));
  const startedMs = Date.now();
  const lengthMs = minutes * 60_000;
  const samples: Sample[] = [];
  let posted = 0;
  for (let beat = 0; posted < tasks; beat += 1) {
    const elapsedMs = Date.now() - startedMs;
    const wanted = Math.min(tasks, Math.ceil((tasks * (elapsedMs + BEAT_MS)) / lengthMs));
    if (wanted > posted) await postMixed(world, beat, wanted - posted);
    posted = Math.max(posted, wanted);
    if (elapsedMs >= (lengthMs * samples.length) / SAMPLES) samples.push(await takeSample(world));
    // A stream that is opened and closed again.
    (await listen(world, () => undefined))();
    await sleep(Math.max(0, startedMs + (beat + 1) * BEAT_MS - Date.now()));
  }
  const left = await untilEnded(world);
  samples.push(await takeSample(world));
  closeStream();
  const curves = fileURLToPath(new URL('results/soak.svg', import.meta.url));
  await mkdir(dirname(curves), { recursive: true });
  await writeFile(curves, drawCurves(samples));
  console.log(curves);
  const judged = judge(samples);
  return {
    soak: {
      minutes: (Date.now() - startedMs) / 60_000,
      samples: samples.length,
      ...(await endsOf(world)),
      'not ended': left,
      'webhook calls': receiver.calls(),
      'events heard': heard.events,
      'metrics that grew': Object.values(judged.flat).filter((flat) => flat === 0).length,
    },
    ...judged,
  };
}

/** Tasks of every kind, in the shares of `KINDS`. */
async function postMixed(world: World, beat: number, count: number): Promise<void> {
  const kinds = Object.entries(KINDS) as [Kind, number][];
  let given = 0;
  let share = 0;
  for (const [kind, of] of kinds) {
    share += of;
    // Rounded so that the kinds together are `count`; a small beat has them in turn.
    const upTo = Math.floor((count * share + (beat % OF)) / OF);
    const rows = Math.min(count, upTo) - given;
    given += Math.max(0, rows);
    if (rows > 0) await postKind(world, kind, { beat, rows });
  }
  if (given < count) await postKind(world, 'fresh', { beat, rows: count - given });
}

interface Part {
  beat: number;
  rows: number;
}

async function postKind(world: World, kind: Kind, { beat, rows }: Part): Promise<void> {
  if (kind === 'single') {
    for (let row = 0; row < rows; row += 1) {
      const { id } = await send(world, '/ga4gh/tes/v1/tasks', taskOf(kind, `${beat}-${row}`));
      await read(world, `/ga4gh/tes/v1/tasks/${id}?view=FULL`);
    }
    return;
  }
  const { id } = await send(world, '/v1/scatters', {
    name: `soak-${kind}-${beat}`,
    cache: 'readwrite',
    template: taskOf(kind, '{{row}}'),
    // Tasks of the kind `again` are equal to those that came before; all others are new.
    rows: Array.from({ length: rows }, (_, row) => ({
      row: kind === 'again' ? `same-${row}` : `${beat}-${row}`,
    })),
  });
  if (kind === 'cancelled') await send(world, `/v1/scatters/${id}:cancel`, {});
  else await read(world, `/v1/scatters/${id}`);
}

const FOLDERS: Partial<Record<Kind, string>> = { fails: FAILS, retried: LOSES_FIRST };

const taskOf = (kind: Kind, row: string): Record<string, unknown> => ({
  name: `soak-${kind}-${row}`,
  tags: { kind },
  outputs: [
    { url: `s3://${BUCKET}/out/${FOLDERS[kind] ?? kind}/${row}.txt`, path: '/work/out.txt' },
  ],
  executors: [
    {
      image: `registry.example/tools/soak-${kind}:1`,
      command: ['sh', '-c', `echo ${kind} ${row} > /work/out.txt`],
    },
  ],
  resources: { cpu_cores: 1, ram_gb: 1 },
});

async function send(world: World, path: string, body: unknown): Promise<{ id: string }> {
  const answer = await fetch(world.apiUrl + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${text.slice(0, 300)}`);
  return JSON.parse(text) as { id: string };
}

async function read(world: World, path: string): Promise<void> {
  const answer = await fetch(world.apiUrl + path);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${text.slice(0, 300)}`);
}

/** Resolves once the stream is open, with what closes it. */
function listen({ apiUrl }: World, onEvent: () => void): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const asking = request(`${apiUrl}/v1/events`, { agent: false }, (answer) => {
      answer
        .setEncoding('utf8')
        .on('error', () => undefined)
        .on('data', (text: string) => {
          for (const _ of text.matchAll(/^data: /gm)) onEvent();
        });
      resolve(() => asking.destroy());
    });
    asking.on('error', reject).end();
  });
}

/** Longest wait for the last tasks. Retries and flights take their time. */
const LAST_MS = 120_000;

/** Returns how many have not ended. */
async function untilEnded({ pool }: World): Promise<number> {
  const deadlineMs = Date.now() + LAST_MS;
  for (;;) {
    const row = await selectFirst<{ count: number }>(
      pool,
      'SELECT COUNT(*) AS count FROM tasks WHERE ended_ms IS NULL',
    );
    if (row?.count === 0 || Date.now() > deadlineMs) return row?.count ?? 0;
    await sleep(500);
  }
}

async function endsOf({ pool }: World): Promise<Row> {
  const row = await selectFirst<Record<string, number | string>>(
    pool,
    `SELECT COUNT(*) AS tasks, SUM(place = 'done') AS done, SUM(place = 'failed') AS failed,
       SUM(place = 'cancelled') AS cancelled, SUM(hit_entry_id IS NOT NULL) AS hits,
       SUM(attempt > 1) AS retried FROM tasks`,
  );
  return Object.fromEntries(
    Object.entries(row ?? {}).map(([name, value]) => [name, Number(value)]),
  );
}

interface Receiver {
  origin: string;
  calls(): number;
  close(): Promise<void>;
}

/** Takes what webhooks send. */
async function openReceiver(): Promise<Receiver> {
  let calls = 0;
  const server = createServer((asked, answer) => {
    calls += 1;
    asked.resume().once('end', () => answer.end('ok'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: () => calls,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
