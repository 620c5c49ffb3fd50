/**
 * A whole fleet in one process for a test: real Redis and MariaDB, the local S3 and Batch, played
 * containers. Another test folder (crash) builds on it with worker processes of its own.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
import { pino } from 'pino';
import { openObjectStore, type ObjectStore } from '../../aws/s3.ts';
import { readConfig, type Config } from '../../config.ts';
import type { NewTask, TaskSpec } from '../../core/task/task.ts';
import { acceptAll } from '../accept.ts';
import { migrateDatabase, openDatabase, type Database } from '../../db/client.ts';
import { startLocalBatch, type LocalBatch } from '../../packages/local-aws/batch/server.ts';
import { startLocalS3, type LocalS3 } from '../../packages/local-aws/s3/server.ts';
import { taskNudges } from '../../queues/messages.ts';
import { openQueues, type Queues } from '../../queues/queues.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { startWorkers, type WorkerOptions, type Workers } from '../../workers/main.ts';
import { freshDatabase, freshRedis, type FreshDatabase, type FreshRedis } from '../world.ts';
import {
  createPlayedRunner,
  type Attempted,
  type Behaviour,
  type Effect,
  type PlayedRunner,
} from './containers.ts';
import {
  describeFleet,
  findTask,
  LOOK_MS,
  onceThere,
  PATIENCE_MS,
  readTasks,
  type TaskState,
} from './fleet-rows.ts';
import { refuseHelp } from './swept.ts';

interface StartOptions extends WorkerOptions {
  /** Override those of the world. */
  settings?: Record<string, string>;
}

export interface FleetWorld {
  batch: LocalBatch;
  s3: LocalS3;
  redis: FreshRedis;
  database: Database;
  queues: Queues;
  objects: ObjectStore;
  /** What a worker process of this world gets as its environment, besides the AWS variables. */
  environment: Record<string, string>;
  /** Every attempt that wrote its outputs and record. */
  effects: Effect[];
  /** Log lines of all workers. */
  lines: Record<string, unknown>[];
  /** From now on, the clock of AWS Batch is wrong by this much. */
  skewAws(byMs: number): void;
  /** How containers go from now on. */
  behave(how: (attempted: Attempted) => Behaviour): void;
  /** Plays the containers of a fleet with another database, too. */
  playAlso(database: Database): void;
  startWorkers(options?: StartOptions): Promise<Workers>;
  /** Commits tasks and nudges the fleet. */
  accept(tasks: readonly NewTask[], scatter?: string): Promise<number[]>;
  tasks(ids: readonly number[]): Promise<TaskState[]>;
  /** Waits until all of them have ended. */
  ended(ids: readonly number[]): Promise<TaskState[]>;
  until(what: string, holds: () => boolean | Promise<boolean>): Promise<void>;
  /** Requests that Batch or S3 were asked, by operation. */
  asked(operation: string): number;
  /** Rows of any query. */
  rows(sql: string, values?: unknown[]): Promise<RowDataPacket[]>;
  /** For a test that loses messages on purpose; any other fails when the sweeper had to help. */
  sweeperMayHelp(): void;
  /** Throws when the sweeper helped although it was not allowed to. */
  close(): Promise<void>;
}

const BUCKET = 'work-bucket';
/** As under SSE-KMS: its ETags say nothing of the bytes. */
export const SEALED_BUCKET = 'sealed';

/**
 * Short times: a test waits for the fleet's clocks. Only the stall time is long, so that a slow
 * machine does not look like a lost message; a test that loses messages sets a short one.
 */
const SETTINGS = {
  BATCHWELL_BUCKET: BUCKET,
  BATCHWELL_POLL_MS: '50',
  BATCHWELL_SETTLE_MS: '200',
  BATCHWELL_SUBMIT_TIMEOUT_MS: '400',
  BATCHWELL_PACK_IDLE_MS: '60',
  BATCHWELL_PACK_LONGEST_MS: '1000',
  BATCHWELL_STALL_MS: '20000',
  BATCHWELL_SWEEP_MS: '100',
  BATCHWELL_MESSAGE_RETRY_MS: '50',
  BATCHWELL_METRICS_PORT: '0',
  BATCHWELL_BATCH_PER_SECOND: '1000',
  BATCHWELL_DATABASE_CONNECTIONS: '6',
  // There is no registry to ask; test/flow/fleet-images.test.ts has one.
  BATCHWELL_IMAGE_IDENTITY: 'tag',
};

interface WorldServers {
  dataFolder: string;
  databaseUrl: string;
  redis: FreshRedis;
  s3: LocalS3;
}

/** What the containers of a world are played by, and what they leave. */
interface Played {
  /** Of every fleet whose containers are played. */
  databases: Database[];
  awsSkewMs: number;
  /** How many containers Batch runs at once. */
  slots: number;
  behave: (attempted: Attempted) => Behaviour;
  effects: Effect[];
}

const ALL_WELL: Played['behave'] = () => ({});

/**
 * @param settings override the short times; as in the environment
 * @param servers the test's own; a fresh database and Redis otherwise. `patienceMs`: how long `until`
 *   waits; `slots`: how many containers Batch runs at once
 */
export async function startFleetWorld(
  settings: Record<string, string> = {},
  servers: {
    redis?: FreshRedis;
    database?: FreshDatabase;
    patienceMs?: number;
    slots?: number;
  } = {},
): Promise<FleetWorld> {
  const opened = await openServers(servers);
  const { redis, s3, databaseUrl } = opened;
  const environment = { ...SETTINGS, DATABASE_URL: databaseUrl, REDIS_URL: redis.url, ...settings };
  const config = readConfig(environment);
  const clients = openClients(config);
  const { database, queues, objects } = clients;
  const played: Played = {
    databases: [database],
    awsSkewMs: 0,
    slots: servers.slots ?? 1000,
    behave: ALL_WELL,
    effects: [],
  };
  const { batch, runner } = await startPlayedBatch(opened, clients, played);
  const lines: Record<string, unknown>[] = [];
  const crew = createCrew(environment, lines);
  let mayHelp = false;

  const world: FleetWorld = {
    batch,
    s3,
    redis,
    database,
    queues,
    objects,
    environment,
    effects: played.effects,
    lines,
    skewAws: (byMs) => void (played.awsSkewMs = byMs),
    behave: (how) => void (played.behave = how),
    playAlso: (another) => void played.databases.push(another),
    startWorkers: crew.start,
    accept: (tasks, scatter) => accept(world, config, { tasks, scatter }),
    tasks: (ids) => onceThere(() => readTasks(database, ids)),
    async ended(ids) {
      await world.until(`the end of ${ids.length} tasks`, async () =>
        (await readTasks(database, ids)).every(({ place }) => ENDS.has(place)),
      );
      return world.tasks(ids);
    },
    until: (what, holds) =>
      until(world, { what, patienceMs: servers.patienceMs ?? PATIENCE_MS }, holds),
    asked: (operation) =>
      [batch, s3].reduce(
        (sum, { ledger }) => sum + (ledger.summary().requests[operation]?.count ?? 0),
        0,
      ),
    rows: (sql, values) =>
      onceThere(async () => (await database.pool.query<RowDataPacket[]>(sql, values))[0]),
    sweeperMayHelp: () => void (mayHelp = true),
    async close() {
      await batch.close();
      await crew.close();
      await clients.close();
      runner.close();
      await closeServers(opened);
      if (!mayHelp) refuseHelp(lines);
    },
  };
  return world;
}

async function openServers(given: {
  redis?: FreshRedis;
  database?: FreshDatabase;
}): Promise<WorldServers> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'batchwell-flow-'));
  const [{ url: databaseUrl }, redis, s3] = await Promise.all([
    given.database ?? freshDatabase(),
    given.redis ?? freshRedis(),
    startLocalS3({
      dataFolder: join(dataFolder, 's3'),
      createBuckets: [BUCKET, 'data', SEALED_BUCKET],
      kmsBuckets: [SEALED_BUCKET],
      partMinBytes: 1,
    }),
  ]);
  await migrateDatabase(databaseUrl);
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_S3: s3.url,
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_REGION: 'us-east-1',
  });
  return { dataFolder, databaseUrl, redis, s3 };
}

async function closeServers({ s3, redis, dataFolder }: WorldServers): Promise<void> {
  await s3.close();
  await redis.drop();
  await rm(dataFolder, { recursive: true, force: true });
}

/** The test's own connections. */
function openClients({ databaseUrl, redisUrl, redisPrefix, messageRetryMs }: Config) {
  const database = openDatabase({ url: databaseUrl, connections: 4 });
  const objects = openObjectStore({ metrics: createMetrics(), pathStyle: true });
  const queues = openQueues({
    redisUrl,
    prefix: redisPrefix,
    keepFinishedMs: 60_000,
    retryMs: messageRetryMs,
  });
  return {
    database,
    objects,
    queues,
    async close() {
      await queues.close();
      await database.close();
      objects.close();
    },
  };
}

async function startPlayedBatch(
  { dataFolder }: WorldServers,
  { objects }: ReturnType<typeof openClients>,
  played: Played,
): Promise<{ batch: LocalBatch; runner: PlayedRunner }> {
  const runner = createPlayedRunner({
    effects: played.effects,
    objects: () => objects,
    behave: (attempted) => played.behave(attempted),
    findTask: (key, index) => onceThere(() => findTask(played.databases, key, index)),
  });
  const batch = await startLocalBatch({
    dataFolder: join(dataFolder, 'batch'),
    queues: [{ name: 'batchwell', slots: played.slots }],
    throttle: 'off',
    nowMs: () => Date.now() + played.awsSkewMs,
    graceMs: 100,
    runner,
  });
  process.env['AWS_ENDPOINT_URL_BATCH'] = batch.url;
  return { batch, runner };
}

/** Starts workers whose log goes into `lines`, and closes all of them. */
function createCrew(environment: Record<string, string>, lines: Record<string, unknown>[]) {
  const workers: Workers[] = [];
  const log = pino(
    { level: 'debug' },
    { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  return {
    async start({ settings = {}, ...options }: StartOptions = {}): Promise<Workers> {
      const config = readConfig({ ...environment, ...settings });
      const started = await startWorkers(config, { log, ...options });
      workers.push(started);
      return started;
    },
    async close(): Promise<void> {
      await Promise.all(workers.map((one) => one.close()));
    },
  };
}

const ENDS = new Set(['done', 'failed', 'cancelled']);

async function until(
  world: FleetWorld,
  { what, patienceMs }: { what: string; patienceMs: number },
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const startMs = Date.now();
  while (!(await onceThere(async () => holds()))) {
    if (Date.now() - startMs > patienceMs)
      throw new Error(
        `Waited ${patienceMs} ms for ${what}. ${await describeFleet(world.database, world.lines)}`,
      );
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function accept(
  world: FleetWorld,
  config: Config,
  { tasks, scatter }: { tasks: readonly NewTask[]; scatter: string | undefined },
): Promise<number[]> {
  const nowMs = Date.now();
  const accepted = await acceptAll(world.database, {
    owner: 'tester',
    tasks,
    nowMs,
    dueMs: nowMs + config.stallMs,
    ...(scatter === undefined ? {} : { scatter: { name: scatter, tags: {} } }),
  });
  await world.queues.nudge(taskNudges('cache-check', accepted.taskIds, config.chunkSize));
  return accepted.taskIds;
}

/** One task that writes one output; equal `command`s are equal calls. */
export function newTask(
  name: string,
  change: Partial<Omit<NewTask, 'spec'>> & { spec?: Partial<TaskSpec> } = {},
): NewTask {
  const { spec, ...rest } = change;
  return {
    name,
    description: '',
    tags: {},
    cache: 'off',
    profile: 'generic',
    ...rest,
    spec: {
      inputs: [],
      outputs: [{ url: `s3://data/out/${name}`, path: '/out', type: 'FILE' }],
      executors: [{ image: 'debian:12', command: ['work', name] }],
      resources: { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
      volumes: [],
      ...spec,
    },
  };
}

export const manyTasks = (count: number, make: (position: number) => NewTask): NewTask[] =>
  Array.from({ length: count }, (_, position) => make(position));

/** The next job is not in listings for a minute, and the answer to its SubmitJob is lost. */
export function hideJobAndLoseAnswer({ batch }: FleetWorld): void {
  const next = { service: 'batch', operation: 'SubmitJob', times: 1 } as const;
  batch.faults.add({ ...next, kind: 'visibility-lag', delayMs: 60_000 });
  batch.faults.add({ ...next, kind: 'drop-after' });
}
