/** What the API is made of. Everything that reaches out is handed in, so that a test can play it. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TaskComponents, TaskToFingerprint } from '../aws/fingerprints.ts';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import type { Queues } from '../queues/queues.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { LogObjects } from './tasks/logs.ts';

export interface ApiDependencies {
  config: Config;
  database: Database;
  queues: Queues;
  metrics: Metrics;
  log: Log;
  logObjects: LogObjects;
  /** What calls are for the cache, from what their inputs hold now; in the order given. */
  resolveComponents(tasks: readonly TaskToFingerprint[]): Promise<TaskComponents[]>;
  /** PEM texts; plain HTTP without. */
  tls?: { key: string; cert: string };
  nowMs(): number;
}

export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;
