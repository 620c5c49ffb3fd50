/**
 * A whole fleet in one process for a test: real Redis and MariaDB, the local S3 and Batch, played containers. Another
 * test folder (crash) builds on it with worker processes of its own.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
import { pino } from 'pino';
import { openObjectStore, type ObjectStore } from '../../aws/s3.ts';
import { readConfig, type Config } from '../../config.ts';
import type { NewTask, TaskSpec } from '../../core/task/task.ts';
import { fillTemplate, type Template } from '../../core/task/template.ts';
import { acceptAll } from '../accept.ts';
import { migrateDatabase, openDatabase, type Database } from '../../db/client.ts';
import { isDatabaseAway } from '../../db/unavailable.ts';
import { startLocalBatch, type LocalBatch } from '../../packages/local-aws/batch/server.ts';
import { startLocalS3, type LocalS3 } from '../../packages/local-aws/s3/server.ts';
import { taskNudges } from '../../queues/messages.ts';
import { openQueues, type Queues } from '../../queues/queues.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { startWorkers, type WorkerOptions, type Workers } from '../../workers/main.ts';
import { freshDatabase, freshRedis, type FreshDatabase, type FreshRedis } from '../world.ts';
import { createPlayedRunner, type Attempted, type Behaviour, type Effect } from './containers.ts';

/** Of tasks: what tests look at. */
export interface TaskState {
  id: number;
  place: string;
  attempt: number;
  hostLosses: number;
  memoryGrowths: number;
  failureCode: string | null;
  failure: string | null;
  hitEntryId: number | null;
  warnings: string | null;
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
  /** How containers go from now on. */
  behave(how: (attempted: Attempted) => Behaviour): void;
  startWorkers(options?: WorkerOptions & { settings?: Record<string, string> }): Promise<Workers>;
  /** Commits tasks and nudges the fleet. */
  accept(tasks: readonly NewTask[], scatter?: string): Promise<number[]>;
  tasks(ids: readonly number[]): Promise<TaskState[]>;
  /** Until all of them have come to an end; told when they do not. */
  ended(ids: readonly number[]): Promise<TaskState[]>;
  until(what: string, holds: () => boolean | Promise<boolean>): Promise<void>;
  /** Requests that Batch or S3 were asked, by operation. */
  asked(operation: string): number;
  /** Rows of any query. */
  rows(sql: string, values?: unknown[]): Promise<RowDataPacket[]>;
  close(): Promise<void>;
}

export const BUCKET = 'work-bucket';

/** Small times: a test waits for the fleet's clocks. */
const SETTINGS = {
  BATCHWELL_BUCKET: BUCKET,
  BATCHWELL_POLL_MS: '50',
  BATCHWELL_SETTLE_MS: '200',
  BATCHWELL_SUBMIT_TIMEOUT_MS: '400',
  BATCHWELL_PACK_IDLE_MS: '60',
  BATCHWELL_PACK_LONGEST_MS: '1000',
  BATCHWELL_STALL_MS: '2000',
  BATCHWELL_SWEEP_MS: '100',
  BATCHWELL_METRICS_PORT: '0',
  BATCHWELL_BATCH_PER_SECOND: '1000',
  BATCHWELL_DATABASE_CONNECTIONS: '6',
};

/**
 * @param settings over the small times; as in the environment
 * @param servers the test's own; a fresh database and Redis otherwise
 */
export async function startFleetWorld(
  settings: Record<string, string> = {},
  servers: { redis?: FreshRedis; database?: FreshDatabase } = {},
): Promise<FleetWorld> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'batchwell-flow-'));
  const [freshDb, redis, s3] = await Promise.all([
    servers.database ?? freshDatabase(),
    servers.redis ?? freshRedis(),
    startLocalS3({ dataFolder: join(dataFolder, 's3'), createBuckets: [BUCKET, 'data'] }),
  ]);
  await migrateDatabase(freshDb.url);
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_S3: s3.url,
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_REGION: 'us-east-1',
  });

  const environment = { ...SETTINGS, DATABASE_URL: freshDb.url, REDIS_URL: redis.url, ...settings };
  const config = readConfig(environment);
  const database = openDatabase({ url: freshDb.url, connections: 4 });
  const objects = openObjectStore({ metrics: createMetrics(), pathStyle: true });
  const queues = openQueues({
    redisUrl: redis.url,
    prefix: config.redisPrefix,
    keepFinishedMs: 60_000,
  });
  const parts = {
    behave: ALL_WELL,
    effects: [] as Effect[],
    objects: () => objects,
    findTask: (key: string, index: number) => onceThere(() => findTask(database, key, index)),
  };
  const runner = createPlayedRunner({ ...parts, behave: (attempted) => parts.behave(attempted) });
  const batch = await startLocalBatch({
    dataFolder: join(dataFolder, 'batch'),
    queues: [{ name: 'batchwell', slots: 1000 }],
    throttle: 'off',
    graceMs: 100,
    runner,
  });
  process.env['AWS_ENDPOINT_URL_BATCH'] = batch.url;

  const workers: Workers[] = [];
  const lines: Record<string, unknown>[] = [];
  const log = pino(
    { level: 'debug' },
    { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const world: FleetWorld = {
    batch,
    s3,
    redis,
    database,
    queues,
    objects,
    environment,
    effects: parts.effects,
    lines,
    behave: (how) => void (parts.behave = how),
    async startWorkers({ settings: own = {}, ...options } = {}) {
      const started = await startWorkers(readConfig({ ...environment, ...own }), {
        log,
        ...options,
      });
      workers.push(started);
      return started;
    },
    accept: (tasks, scatter) => accept(world, config, { tasks, scatter }),
    tasks: (ids) => onceThere(() => readTasks(database, ids)),
    async ended(ids) {
      await world.until(`the end of ${ids.length} tasks`, async () =>
        (await readTasks(database, ids)).every(({ place }) => ENDS.has(place)),
      );
      return world.tasks(ids);
    },
    until: (what, holds) => until(world, what, holds),
    asked: (operation) =>
      [batch, s3].reduce(
        (sum, { ledger }) => sum + (ledger.summary().requests[operation]?.count ?? 0),
        0,
      ),
    rows: (sql, values) =>
      onceThere(async () => (await database.pool.query<RowDataPacket[]>(sql, values))[0]),
    async close() {
      await batch.close();
      await Promise.all(workers.map((one) => one.close()));
      await queues.close();
      await database.close();
      runner.close();
      objects.close();
      await s3.close();
      await redis.drop();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
  return world;
}

const ALL_WELL: (attempted: Attempted) => Behaviour = () => ({});

const ENDS = new Set(['done', 'failed', 'cancelled']);
/** Only a test that fails waits so long; a machine that does much else at once is slow. */
const PATIENCE_MS = 30_000;
const LOOK_MS = 15;

/** The test's own reads outlive a database that is killed and comes back. */
async function onceThere<T>(read: () => Promise<T>): Promise<T> {
  const startMs = Date.now();
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (!isDatabaseAway(error) || Date.now() - startMs > PATIENCE_MS) throw error;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

async function until(
  world: FleetWorld,
  what: string,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const startMs = Date.now();
  while (!(await onceThere(async () => holds()))) {
    if (Date.now() - startMs > PATIENCE_MS)
      throw new Error(`Waited ${PATIENCE_MS} ms for ${what}. ${await describe(world)}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** What a failed test should show of the fleet. */
async function describe(world: FleetWorld): Promise<string> {
  const [tasks, submissions] = [
    await world.rows(
      'SELECT place, COUNT(*) AS count, MAX(failure) AS failure FROM tasks GROUP BY place',
    ),
    await world.rows('SELECT id, state, size, calls, job_id FROM submissions LIMIT 5'),
  ];
  const errors = world.lines.filter(({ level }) => Number(level) >= 40).slice(-5);
  return JSON.stringify({ tasks, submissions, errors });
}

async function readTasks(database: Database, ids: readonly number[]): Promise<TaskState[]> {
  const [rows] = await database.pool.query<RowDataPacket[]>(
    `SELECT id, place, attempt, host_losses AS hostLosses, memory_growths AS memoryGrowths, failure_code AS failureCode, failure, hit_entry_id AS hitEntryId, warnings
     FROM tasks WHERE id IN (?) ORDER BY id`,
    [ids],
  );
  return rows as unknown as TaskState[];
}

async function findTask(
  database: Database,
  key: string,
  index: number,
): Promise<{ taskId: number; spec: TaskSpec }> {
  const [rows] = await database.pool.query<RowDataPacket[]>(
    `SELECT tasks.id, tasks.slot_values, templates.body FROM submissions JOIN attempts ON attempts.submission_id = submissions.id JOIN tasks ON tasks.id = attempts.task_id
     JOIN templates ON templates.id = tasks.template_id WHERE submissions.submission_key = ? AND attempts.array_index = ?`,
    [key, index],
  );
  const [row] = rows;
  if (!row) throw new Error(`No task sits at index ${index} of submission ${key}.`);
  return {
    taskId: row['id'] as number,
    spec: fillTemplate(
      JSON.parse(String(row['body'])) as Template,
      JSON.parse(String(row['slot_values'])) as string[],
    ),
  };
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
