/** A whole fleet for one benchmark: private servers, the local AWS, workers and an API, each a process of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createPool, type Pool } from 'mysql2/promise';
import { SERVICE_NODE_OPTIONS } from '../cli/stack/service-memory.ts';
import { migrateDatabase } from '../db/client.ts';
import { startMariadb } from '../cli/services/mariadb.ts';
import { startRedis } from '../cli/services/redis.ts';
import type { AwsCounts, AwsSettings, AwsUrls, AttemptEnds } from './aws-process.ts';
import { startChild, type Child } from './child.ts';
import { printSqlLog, startSqlLog } from './sql-log.ts';
import { readServers, readUsage, type ServerCounts, type Usage } from './meters.ts';
import type { WorkerMeters } from './worker-process.ts';

export const BUCKET = 'batchwell';
export const QUEUE = 'batchwell';

export interface WorldOptions {
  workers: number;
  aws?: Partial<AwsSettings>;
  /** Settings of workers and API, as environment variables. */
  env?: Record<string, string>;
  /** Writes a CPU profile of each worker and of the API into this folder. */
  profileFolder?: string;
  /** Prints which statements took MariaDB's time; logging them all costs some of it. */
  sqlLog?: boolean;
  seed: number;
}

export interface Snapshot {
  atMs: number;
  usage: Record<string, Usage>;
  servers: ServerCounts;
}

export interface World {
  pool: Pool;
  redis: Redis;
  redisUrl: string;
  databaseUrl: string;
  aws: Child;
  apiUrl: string;
  workers: readonly Child[];
  startWorker(): Promise<void>;
  /** Ends the workers; others may be started, with further settings. */
  restartWorkers(count: number, env?: Record<string, string>): Promise<void>;
  /** Forgets all counts. */
  reset(): Promise<void>;
  counts(): Promise<AwsCounts>;
  ends(): Promise<AttemptEnds>;
  meters(): Promise<WorkerMeters[]>;
  snapshot(): Promise<Snapshot>;
  close(): Promise<void>;
}

/** S3 answers a small request in some 10 to 30 ms, Batch in 50 and more; a tenth keeps the machine and not the wait the limit. */
const REQUEST_MS = 5;

const awsDefaults: Omit<AwsSettings, 'dataFolder'> = {
  bucket: BUCKET,
  queue: QUEUE,
  slots: 100_000,
  requestMs: REQUEST_MS,
  latency: { scheduleMs: 500, startMs: 0 },
  throttle: { perSecond: 50, burst: 50, operations: ['SubmitJob'] },
  runMs: [5000, 15_000],
  seed: 1,
};

/** As the product is set up: every commit on disk before it is acknowledged, and Redis with its append-only file. */
const DURABLE = { durable: true };

export async function startWorld(options: WorldOptions): Promise<World> {
  const opened: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closeOne of opened.toReversed())
      await closeOne().catch((error: unknown) => console.error(error));
  };
  // A run that is broken off takes its servers and its folder with it.
  const breakOff = (): void => void close().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, breakOff);
    opened.push(async () => void process.off(signal, breakOff));
  }
  try {
    return await open(options, opened, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(
  options: WorldOptions,
  opened: (() => Promise<unknown>)[],
  close: () => Promise<void>,
): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'batchwell-bench-'));
  opened.push(() => rm(folder, { recursive: true, force: true }));
  const [mariadb, redisServer] = await Promise.all([startMariadb(DURABLE), startRedis(DURABLE)]);
  opened.push(
    () => mariadb.stop(),
    () => redisServer.stop(),
  );
  await migrateDatabase(mariadb.url);

  const aws = startChild('aws-process.ts');
  opened.push(() => aws.stop());
  const { s3Url, batchUrl } = await aws.ask<AwsUrls>('start', {
    ...awsDefaults,
    seed: options.seed,
    dataFolder: folder,
    ...options.aws,
  });

  const env = {
    AWS_ENDPOINT_URL_S3: s3Url,
    AWS_ENDPOINT_URL_BATCH: batchUrl,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    DATABASE_URL: mariadb.url,
    REDIS_URL: redisServer.url,
    BATCHWELL_METRICS_PORT: '0',
    PORT: '0',
    BATCHWELL_LOG_LEVEL: 'warn',
    BATCHWELL_JOB_QUEUE: QUEUE,
    NODE_OPTIONS: SERVICE_NODE_OPTIONS,
    ...options.env,
  };
  const nodeFlags =
    options.profileFolder === undefined
      ? []
      : ['--cpu-prof', `--cpu-prof-dir=${options.profileFolder}`];
  const api = startChild('api-process.ts', { env, nodeFlags });
  opened.push(() => api.stop());
  const apiUrl = await api.ask<string>('start');

  const workers: Child[] = [];
  opened.push(() => Promise.all(workers.map((one) => one.stop())));
  const startWorker = async (more: Record<string, string> = {}): Promise<void> => {
    const worker = startChild('worker-process.ts', { env: { ...env, ...more }, nodeFlags });
    workers.push(worker);
    await worker.ask('start', {});
  };
  for (let count = 0; count < options.workers; count += 1) await startWorker();

  const pool = createPool({ uri: mariadb.url, connectionLimit: 4, supportBigNumbers: true });
  const redis = new Redis(redisServer.url, { maxRetriesPerRequest: null });
  opened.push(
    () => pool.end(),
    async () => redis.disconnect(),
  );

  if (options.sqlLog === true) {
    await startSqlLog(pool);
    opened.push(() => printSqlLog(pool));
  }
  return {
    pool,
    redis,
    redisUrl: redisServer.url,
    databaseUrl: mariadb.url,
    aws,
    apiUrl,
    workers,
    startWorker,
    async restartWorkers(count, more) {
      await Promise.all(workers.splice(0).map((one) => one.stop()));
      for (let started = 0; started < count; started += 1) await startWorker(more);
    },
    async reset() {
      await Promise.all([aws, ...workers].map((one) => one.ask('reset')));
    },
    counts: () => aws.ask('count'),
    ends: () => aws.ask('ends'),
    meters: () => Promise.all(workers.map((one) => one.ask<WorkerMeters>('meters'))),
    async snapshot() {
      const pids = {
        redis: redisServer.pid,
        mariadb: mariadb.pid,
        aws: aws.pid,
        api: api.pid,
        ...Object.fromEntries(workers.map(({ pid }, index) => [`worker${index + 1}`, pid])),
      };
      const usage = await Promise.all(
        Object.entries(pids).map(async ([name, pid]) => [name, await readUsage(pid)] as const),
      );
      return {
        atMs: Date.now(),
        usage: Object.fromEntries(usage),
        servers: await readServers(pool, redis),
      };
    },
    close,
  };
}
