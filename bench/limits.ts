/**
 * What this machine gives at most, taken in the same run: a bare chain of five BullMQ queues with messages of the same
 * size, and a bare bulk insert with guarded updates on a table like `tasks`. Neither decides anything or asks AWS.
 */
import { Queue, Worker } from 'bullmq';
import type { RowDataPacket } from 'mysql2/promise';
import { createPool } from 'mysql2/promise';
import { connectRedis } from '../queues/queues.ts';
import type { World } from './world.ts';

export interface Limits {
  /** Tasks/s through five queues. */
  queueChain: number;
  /** Rows/s. */
  bulkInsert: number;
  /** Rows/s of one guarded update by ids. */
  guardedUpdate: number;
  /** Tasks/s of one insert and five guarded updates. */
  insertAndFiveMoves: number;
}

const CHUNK = 250;
const CONCURRENCY = 4;
const HOPS = 5;
const ROWS_PER_INSERT = 1000;

const ids = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, position) => first + position);

export async function measureLimits(world: World, tasks: number): Promise<Limits> {
  const queueChain = await measureChain(world.redisUrl, tasks);
  return { queueChain, ...(await measureRows(world, Math.min(tasks, 20_000))) };
}

async function measureChain(redisUrl: string, tasks: number): Promise<number> {
  const connection = connectRedis(redisUrl);
  const prefix = 'bench-chain';
  const queues = Array.from(
    { length: HOPS },
    (_, hop) => new Queue(`hop${hop}`, { connection, prefix }),
  );
  const options = { removeOnComplete: { age: 3600, count: 200 } };
  const { promise: allDone, resolve } = Promise.withResolvers<undefined>();
  let left = tasks;
  const connections = queues.map(() => connectRedis(redisUrl));
  const workers = queues.map(
    ({ name }, hop) =>
      new Worker(
        name,
        async (job) => {
          const { tasks: carried } = job.data as { tasks: number[] };
          const next = queues[hop + 1];
          if (next)
            return void (await next.addBulk([{ name: 'chunk', data: job.data, opts: options }]));
          left -= carried.length;
          if (left <= 0) resolve(undefined);
        },
        { connection: connections[hop] ?? connection, prefix, concurrency: CONCURRENCY },
      ),
  );
  await Promise.all(workers.map((worker) => worker.waitUntilReady()));

  const startedMs = performance.now();
  const messages = ids(0, Math.ceil(tasks / CHUNK)).map((chunk) => ({
    name: 'chunk',
    data: { tasks: ids(chunk * CHUNK, Math.min(CHUNK, tasks - chunk * CHUNK)) },
    opts: options,
  }));
  await queues[0]?.addBulk(messages);
  await allDone;
  const seconds = (performance.now() - startedMs) / 1000;
  await Promise.all([...workers, ...queues].map((one) => one.close()));
  for (const one of [connection, ...connections]) one.disconnect();
  return tasks / seconds;
}

async function measureRows(
  { databaseUrl }: World,
  rows: number,
): Promise<Omit<Limits, 'queueChain'>> {
  const pool = createPool({ uri: databaseUrl, connectionLimit: CONCURRENCY });
  try {
    await pool.query('DROP TABLE IF EXISTS bench_tasks');
    await pool.query('CREATE TABLE bench_tasks LIKE tasks');
    const row = [
      '',
      1,
      0,
      'sample',
      '',
      '{}',
      1,
      '["sample-1","s3://bucket/in/sample-1.txt","s3://bucket/out/sample-1.txt"]',
      'readwrite',
      'cache-check',
      Date.now(),
      Date.now(),
      Date.now(),
    ];
    const insertMs = await timed(async () => {
      for (let start = 0; start < rows; start += ROWS_PER_INSERT) {
        await pool.query(
          'INSERT INTO bench_tasks (owner, scatter_id, scatter_row, name, description, tags, template_id, slot_values, cache, place, moved_ms, due_ms, created_ms) VALUES ?',
          [Array.from({ length: Math.min(ROWS_PER_INSERT, rows - start) }, () => row)],
        );
      }
    });
    const [[first]] = await pool.query<RowDataPacket[]>('SELECT MIN(id) AS id FROM bench_tasks');
    const chunks = ids(0, Math.ceil(rows / CHUNK)).map((chunk) =>
      ids(Number(first?.['id']) + chunk * CHUNK, Math.min(CHUNK, rows - chunk * CHUNK)),
    );
    const places = [
      'cache-check',
      'stage-script',
      'finalize',
      'cache-check',
      'stage-script',
      'finalize',
    ];
    const updateMs = await timed(async () => {
      for (let move = 0; move < HOPS; move += 1) {
        const pending = chunks.values();
        const work = async (): Promise<void> => {
          for (const chunk of pending)
            await pool.query(
              'UPDATE bench_tasks SET place = ?, moved_ms = ?, due_ms = ? WHERE id IN (?) AND place = ?',
              [places[move + 1], Date.now(), Date.now() + 60_000, chunk, places[move]],
            );
        };
        await Promise.all(Array.from({ length: CONCURRENCY }, work));
      }
    });
    await pool.query('DROP TABLE bench_tasks');
    return {
      bulkInsert: (rows / insertMs) * 1000,
      guardedUpdate: ((rows * HOPS) / updateMs) * 1000,
      insertAndFiveMoves: (rows / (insertMs + updateMs)) * 1000,
    };
  } finally {
    await pool.end();
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}
