/** An API for a test: real database and Redis, simulated S3 logs, a clock that can be set. */
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { createApp } from '../api/app.ts';
import type { TaskComponents } from '../aws/fingerprints.ts';
import type { FailureBody } from '../api/http/errors.ts';
import type { ApiDependencies } from '../api/dependencies.ts';
import type { ScatterReply } from '../api/schemas/scatters.ts';
import type { TesTaskFull } from '../api/schemas/tes.ts';
import { readConfig, type Config } from '../config.ts';
import { migrateDatabase, openDatabase, type Database } from '../db/client.ts';
import { asDependency } from '../db/watch.ts';
import { openQueues, type Queues } from '../queues/queues.ts';
import { reportMysql, reportRedis } from '../telemetry/dependencies.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { playLogs, type PlayedLogs } from './played-logs.ts';
import { freshDatabase, freshRedis, type FreshRedis } from './world.ts';

export interface ApiWorld {
  url: string;
  config: Config;
  database: Database;
  queues: Queues;
  redis: FreshRedis;
  logs: PlayedLogs;
  /** What is known of the calls that it is asked about; nothing at first. */
  described: Partial<TaskComponents>;
  /** The lines of the log. */
  lines: string[];
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  close(): Promise<void>;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** Has the fields of all replies; each test asserts which one it is. */
  json: EveryReply;
}

type EveryReply = TesTaskFull &
  ScatterReply &
  Required<FailureBody> & {
    tasks: TesTaskFull[];
    task_ids: string[];
    scatters: ScatterReply[];
    next_page_token: string;
    paths: Record<string, unknown>;
    queues: unknown[];
  };

/** The reply as one that Answer.json does not cover; each test asserts its content. */
export const jsonAs = <T>({ text }: Answer): T => JSON.parse(text) as T;

/** @param reach can put a proxy between the API and its database; returns the URL that the API uses */
export async function startApiWorld(
  settings: Partial<Config> = {},
  reach: (url: string) => Promise<string> = async (url) => url,
  nowMs: () => number = Date.now,
): Promise<ApiWorld> {
  const [freshDb, redis] = await Promise.all([freshDatabase(), freshRedis()]);
  await migrateDatabase(freshDb.url);
  const config: Config = {
    ...readConfig({}),
    databaseUrl: freshDb.url,
    redisUrl: redis.url,
    // A machine that runs several suites takes its time, and only a test of MySQL that hangs wants 503.
    apiStatementMs: 30_000,
    ...settings,
  };
  const logs = playLogs();
  const lines: string[] = [];
  const log = pino(
    { level: 'debug' },
    new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    }),
  );
  const metrics = createMetrics();
  const database = openDatabase({
    url: await reach(freshDb.url),
    connections: 4,
    statementMs: config.apiStatementMs,
    onTimeout: (what) => metrics.databaseTimeouts.inc({ what }),
    onChange: (standing) => reportMysql({ metrics, log }, asDependency(standing)),
  });
  const queues = openQueues({
    redisUrl: redis.url,
    prefix: 'test',
    keepFinishedMs: 1000,
    onChange: ({ up, isReplica, reason }) =>
      reportRedis({ metrics, log }, { up, isReadOnly: isReplica, reason }),
  });
  const dependencies: ApiDependencies = {
    config,
    database,
    queues,
    log,
    metrics,
    logObjects: logs.objects,
    resolveComponents: async (calls) =>
      calls.map(() => ({ unreadable: [], isWeak: false, inputs: [], ...world.described })),
    canonicalSpecs: async (calls) => calls.map(({ spec }) => spec),
    jobQueues: {
      unknownOf: async (queues) => [...queues].filter((queue) => queue.startsWith('no-such-')),
    },
    nowMs,
  };
  const app = await createApp(dependencies);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const world: ApiWorld = {
    url,
    described: {},
    config,
    database,
    queues,
    redis,
    logs,
    lines,
    async call(method, path, body, headers = {}) {
      const isText = typeof body === 'string' || body === undefined;
      const reply = await fetch(url + path, {
        method,
        headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: isText ? body : JSON.stringify(body) }),
      });
      const text = await reply.text();
      const isJson = reply.headers.get('content-type')?.includes('json') === true;
      return {
        status: reply.status,
        headers: reply.headers,
        text,
        json: (isJson ? JSON.parse(text) : {}) as EveryReply,
      };
    },
    async close() {
      await app.close();
      await queues.close();
      await database.close();
      await redis.drop();
      await freshDb.drop();
    },
  };
  return world;
}
