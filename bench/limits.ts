/**
 * The machine's own limits, measured in the same run: a bare chain of five BullMQ queues with messages
 * of the same size, and a bare bulk insert with guarded updates on a table like `tasks`. Neither
 * decides anything or calls AWS.
 */
import { Queue, Worker } from 'bullmq';
import { createPool, type Pool } from 'mysql2/promise';
import { selectFirst, write } from '../db/rows.ts';
import { connectRedis } from '../queues/connect.ts';
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

/** A message of the chain: a list of ids, as the fleet's messages are. */
interface Chunk {
  tasks: number[];
}

const KEPT = { removeOnComplete: { age: 3600, count: 200 } };
const PREFIX = 'bench-chain';

async function measureChain(redisUrl: string, tasks: number): Promise<number> {
  const connection = connectRedis(redisUrl, PREFIX);
  const ofWorkers = ids(0, HOPS).map(() => connectRedis(redisUrl, PREFIX));
  const queues = ids(0, HOPS).map((hop) => new Queue(`hop${hop}`, { connection, prefix: PREFIX }));
  const { promise: allDone, resolve } = Promise.withResolvers<undefined>();
  let left = tasks;
  const arrive = ({ tasks: carried }: Chunk): void => {
    left -= carried.length;
    if (left <= 0) resolve(undefined);
  };
  const workers = queues.map(
    ({ name }, hop) =>
      new Worker(name, ({ data }) => passOn(queues[hop + 1], data, arrive), {
        connection: ofWorkers[hop] ?? connection,
        prefix: PREFIX,
        concurrency: CONCURRENCY,
      }),
  );
  await Promise.all(workers.map((worker) => worker.waitUntilReady()));

  const startedMs = performance.now();
  await queues[0]?.addBulk(chunksOf(tasks));
  await allDone;
  const seconds = (performance.now() - startedMs) / 1000;
  await Promise.all([...workers, ...queues].map((one) => one.close()));
  for (const one of [connection, ...ofWorkers]) one.disconnect();
  return tasks / seconds;
}

async function passOn(
  next: Queue | undefined,
  data: Chunk,
  arrive: (chunk: Chunk) => void,
): Promise<void> {
  if (next) await next.addBulk([{ name: 'chunk', data, opts: KEPT }]);
  else arrive(data);
}

const chunksOf = (tasks: number) =>
  ids(0, Math.ceil(tasks / CHUNK)).map((chunk) => ({
    name: 'chunk' as const,
    data: { tasks: ids(chunk * CHUNK, Math.min(CHUNK, tasks - chunk * CHUNK)) },
    opts: KEPT,
  }));

async function measureRows(
  { databaseUrl }: World,
  rows: number,
): Promise<Omit<Limits, 'queueChain'>> {
  const pool = createPool({ uri: databaseUrl, connectionLimit: CONCURRENCY });
  try {
    await pool.query('DROP TABLE IF EXISTS bench_tasks');
    await pool.query('CREATE TABLE bench_tasks LIKE tasks');
    const insertMs = await timed(() => insertRows(pool, rows));
    const chunks = await readChunks(pool, rows);
    const updateMs = await timed(async () => {
      for (let move = 0; move < HOPS; move += 1) await moveChunks(pool, chunks, move);
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

/**
 * A row like those of `tasks`: each column that has no default, and those that every task fills.
 */
export const sampleRow = (nowMs: number): Record<string, unknown> => ({
  owner: '',
  cache_domain: '',
  scatter_id: 1,
  scatter_row: 0,
  name: 'sample',
  description: '',
  tags: '{}',
  template_id: 1,
  slot_values: '["sample-1","s3://bucket/in/sample-1.txt","s3://bucket/out/sample-1.txt"]',
  cache: 'readwrite',
  profile: 'generic',
  place: 'cache-check',
  moved_ms: nowMs,
  due_ms: nowMs,
  created_ms: nowMs,
});

async function insertRows(pool: Pool, rows: number): Promise<void> {
  const row = sampleRow(Date.now());
  for (let start = 0; start < rows; start += ROWS_PER_INSERT) {
    const count = Math.min(ROWS_PER_INSERT, rows - start);
    await write(pool, `INSERT INTO bench_tasks (${Object.keys(row).join(', ')}) VALUES ?`, [
      Array.from({ length: count }, () => Object.values(row)),
    ]);
  }
}

async function readChunks(pool: Pool, rows: number): Promise<number[][]> {
  const first = await selectFirst<{ id: number }>(pool, 'SELECT MIN(id) AS id FROM bench_tasks');
  return ids(0, Math.ceil(rows / CHUNK)).map((chunk) =>
    ids((first?.id ?? 0) + chunk * CHUNK, Math.min(CHUNK, rows - chunk * CHUNK)),
  );
}

const PLACES = ['cache-check', 'stage-script', 'finalize'];

async function moveChunks(
  pool: Pool,
  chunks: readonly (readonly number[])[],
  move: number,
): Promise<void> {
  const [from, to] = [PLACES[move % PLACES.length], PLACES[(move + 1) % PLACES.length]];
  const pending = chunks.values();
  const work = async (): Promise<void> => {
    for (const chunk of pending)
      await write(
        pool,
        'UPDATE bench_tasks SET place = ?, moved_ms = ?, due_ms = ? WHERE id IN (?) AND place = ?',
        [to, Date.now(), Date.now() + 60_000, chunk, from],
      );
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}
