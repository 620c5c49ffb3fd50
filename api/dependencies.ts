/**
 * The dependencies of the API. All access to the outside is passed in, so that a test can replace
 * it.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TaskComponents, TaskToFingerprint } from '../aws/fingerprints.ts';
import type { JobQueues } from '../aws/job-queues.ts';
import type { Config } from '../config.ts';
import type { Prices } from '../core/cost/prices.ts';
import type { TaskSpec } from '../core/task/task.ts';
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
  /**
   * The fingerprint components of calls, from the current content of their inputs; in the order
   * given.
   */
  resolveComponents(tasks: readonly TaskToFingerprint[]): Promise<TaskComponents[]>;
  /** The calls as they are compared: without the names that their clients made for one run. */
  canonicalSpecs(tasks: readonly TaskToFingerprint[]): Promise<TaskSpec[]>;
  /** Which job queues there are, for tasks that name one. */
  jobQueues: Pick<JobQueues, 'unknownOf'>;
  /** What an hour of a vCPU and of memory costs; built-in prices when absent. */
  prices?: Prices;
  /** PEM texts. Absent: plain HTTP. */
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
