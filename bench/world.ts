/**
 * A whole fleet for one benchmark: private servers, the local AWS, workers and an API, each in its
 * own process.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createPool, type Pool } from 'mysql2/promise';
import { SERVICE_NODE_OPTIONS } from '../cli/stack/service-memory.ts';
import type { Stage } from '../core/places.ts';
import { migrateDatabase } from '../db/client.ts';
import { startMariadb } from '../cli/services/mariadb.ts';
import { startRedis } from '../cli/services/redis.ts';
import type { AwsCounts, AwsSettings, AwsUrls, AttemptEnds } from './aws-process.ts';
import { startChild, type Child } from './child.ts';
import { openSlowWire, type SlowWire } from './slow-wire.ts';
import { printSqlLog, startSqlLog } from './sql-log.ts';
import { readServers, readUsage, type ServerCounts, type Usage } from './meters.ts';
import type { WorkerMeters } from './worker-process.ts';

export const BUCKET = 'batchwell';
const QUEUE = 'batchwell';

export interface WorldOptions {
  workers: number;
  aws?: Partial<AwsSettings>;
  /** Settings of workers and API, as environment variables. */
  env?: Record<string, string>;
  /** Writes a CPU profile of each worker and of the API into this folder. */
  profileFolder?: string;
  /** Prints the statements that took most of MariaDB's time. Logging them costs some of it. */
  sqlLog?: boolean;
  /** The fleet reaches the database over a wire that takes this long for a round trip, and that counts them. */
  wireMs?: number;
  /** Buffer pool and redo log of the database, MiB each. Default: those of a laptop, 256 and 128. */
  databaseMib?: number;
  seed: number;
}

export interface Snapshot {
  atMs: number;
  usage: Record<string, Usage>;
  servers: ServerCounts;
}

interface OtherWorkers {
  /** Further settings. */
  env?: Record<string, string>;
  /** Default: all. */
  stages?: readonly Stage[];
}

export interface World {
  pool: Pool;
  redis: Redis;
  redisUrl: string;
  databaseUrl: string;
  /** Between fleet and database, where `wireMs` asked for one. */
  wire: SlowWire | undefined;
  aws: Child;
  apiUrl: string;
  workers: readonly Child[];
  /** Stops the workers and starts `count` others. */
  restartWorkers(count: number, others?: OtherWorkers): Promise<void>;
  /** Of every process of this world, by name. */
  pids(): Record<string, number>;
  /** Resets all counts. */
  reset(): Promise<void>;
  counts(): Promise<AwsCounts>;
  ends(): Promise<AttemptEnds>;
  meters(): Promise<WorkerMeters[]>;
  snapshot(): Promise<Snapshot>;
  close(): Promise<void>;
}

/**
 * S3 answers a small request in 10 to 30 ms, Batch in 50 ms or more. A tenth keeps the machine the
 * limit, not the wait.
 */
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

/**
 * As in production: every commit is on disk before it is acknowledged, and Redis has its
 * append-only file.
 */
const DURABLE = { durable: true };

/** What a world has opened so far, to be closed in reverse order. */
type Closing = (() => Promise<unknown>)[];

export async function startWorld(options: WorldOptions): Promise<World> {
  const closing: Closing = [];
  const close = async (): Promise<void> => {
    for (const closeOne of closing.splice(0).toReversed())
      await closeOne().catch((error: unknown) => console.error(error));
  };
  // An interrupted run stops its servers and removes its folder.
  const interrupt = (): void => void close().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, interrupt);
    closing.push(async () => void process.off(signal, interrupt));
  }
  try {
    return { ...(await open(options, closing)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(options: WorldOptions, closing: Closing): Promise<Omit<World, 'close'>> {
  const servers = await startServers(options, closing);
  const { aws, urls } = await startAws(options, servers.folder, closing);
  const wire = await openWire(options, servers, closing);
  const env = { ...servers.env, ...(wire && { DATABASE_URL: wire.url }), ...awsEnv(urls) };
  const { pool, redis } = connectServers(servers, closing);
  if (options.sqlLog === true) {
    // Before the fleet opens its sessions: those that are open already log nothing.
    await startSqlLog(pool);
    closing.push(() => printSqlLog(pool));
  }
  const fleet = await startFleet(options, env, closing);
  const pids = (): Record<string, number> => ({
    redis: servers.redis.pid,
    mariadb: servers.mariadb.pid,
    aws: aws.pid,
    api: fleet.api.pid,
    ...Object.fromEntries(fleet.workers.map(({ pid }, index) => [`worker${index + 1}`, pid])),
  });
  return {
    ...fleet,
    pool,
    redis,
    redisUrl: servers.redis.url,
    databaseUrl: servers.mariadb.url,
    wire,
    aws,
    pids,
    async reset() {
      await Promise.all([aws, ...fleet.workers].map((one) => one.ask('reset')));
    },
    counts: () => aws.ask('count'),
    ends: () => aws.ask('ends'),
    meters: () => Promise.all(fleet.workers.map((one) => one.ask<WorkerMeters>('meters'))),
    snapshot: () => takeSnapshot(pids(), pool, redis),
  };
}

async function openWire(
  { wireMs }: WorldOptions,
  { mariadb }: Servers,
  closing: Closing,
): Promise<SlowWire | undefined> {
  if (wireMs === undefined) return undefined;
  const wire = await openSlowWire(mariadb.url, wireMs);
  closing.push(() => wire.close());
  return wire;
}

interface Servers {
  folder: string;
  mariadb: { url: string; pid: number };
  redis: { url: string; pid: number };
  env: Record<string, string>;
}

async function startServers({ databaseMib }: WorldOptions, closing: Closing): Promise<Servers> {
  const folder = await mkdtemp(join(tmpdir(), 'batchwell-bench-'));
  closing.push(() => rm(folder, { recursive: true, force: true }));
  const moreArguments = databaseMib === undefined ? [] : buffersOf(databaseMib);
  const [mariadb, redis] = await Promise.all([
    startMariadb({ ...DURABLE, moreArguments }),
    startRedis(DURABLE),
  ]);
  closing.push(
    () => mariadb.stop(),
    () => redis.stop(),
  );
  await migrateDatabase(mariadb.url);
  return { folder, mariadb, redis, env: { DATABASE_URL: mariadb.url, REDIS_URL: redis.url } };
}

const buffersOf = (mib: number): string[] => [
  `--innodb-buffer-pool-size=${mib}M`,
  // MySQL 9 has only the second, MariaDB only the first.
  `--loose-innodb-log-file-size=${mib}M`,
  `--loose-innodb-redo-log-capacity=${mib}M`,
];

async function startAws(
  options: WorldOptions,
  dataFolder: string,
  closing: Closing,
): Promise<{ aws: Child; urls: AwsUrls }> {
  const aws = startChild('aws-process.ts');
  closing.push(() => aws.stop());
  const urls = await aws.ask<AwsUrls>('start', {
    ...awsDefaults,
    seed: options.seed,
    dataFolder,
    ...options.aws,
  });
  return { aws, urls };
}

const awsEnv = ({ s3Url, batchUrl }: AwsUrls): Record<string, string> => ({
  AWS_ENDPOINT_URL_S3: s3Url,
  AWS_ENDPOINT_URL_BATCH: batchUrl,
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'local',
  AWS_SECRET_ACCESS_KEY: 'local',
});

interface Fleet extends Pick<World, 'apiUrl' | 'workers' | 'restartWorkers'> {
  api: Child;
}

async function startFleet(
  options: WorldOptions,
  servers: Record<string, string>,
  closing: Closing,
): Promise<Fleet> {
  const env = {
    ...servers,
    BATCHWELL_METRICS_PORT: '0',
    PORT: '0',
    BATCHWELL_LOG_LEVEL: 'warn',
    BATCHWELL_JOB_QUEUE: QUEUE,
    // No registry is asked: its latency is not the fleet's.
    BATCHWELL_IMAGE_IDENTITY: 'tag',
    NODE_OPTIONS: SERVICE_NODE_OPTIONS,
    ...options.env,
  };
  const nodeFlags =
    options.profileFolder === undefined
      ? []
      : ['--cpu-prof', `--cpu-prof-dir=${options.profileFolder}`];
  const api = startChild('api-process.ts', { env, nodeFlags });
  closing.push(() => api.stop());
  const apiUrl = await api.ask<string>('start');

  const workers: Child[] = [];
  closing.push(() => Promise.all(workers.map((one) => one.stop())));
  const startWorker = async ({ env: more, stages }: OtherWorkers = {}): Promise<void> => {
    const worker = startChild('worker-process.ts', { env: { ...env, ...more }, nodeFlags });
    workers.push(worker);
    await worker.ask('start', { ...(stages && { stages }) });
  };
  for (let count = 0; count < options.workers; count += 1) await startWorker();
  return {
    api,
    apiUrl,
    workers,
    async restartWorkers(count, others) {
      await Promise.all(workers.splice(0).map((one) => one.stop()));
      for (let started = 0; started < count; started += 1) await startWorker(others);
    },
  };
}

function connectServers({ mariadb, redis: { url } }: Servers, closing: Closing) {
  const pool = createPool({ uri: mariadb.url, connectionLimit: 4, supportBigNumbers: true });
  const redis = new Redis(url, { maxRetriesPerRequest: null });
  closing.push(
    () => pool.end(),
    async () => redis.disconnect(),
  );
  return { pool, redis };
}

async function takeSnapshot(
  pids: Record<string, number>,
  pool: Pool,
  redis: Redis,
): Promise<Snapshot> {
  const usage = await Promise.all(
    Object.entries(pids).map(async ([name, pid]) => [name, await readUsage(pid)] as const),
  );
  return {
    atMs: Date.now(),
    usage: Object.fromEntries(usage),
    servers: await readServers(pool, redis),
  };
}
