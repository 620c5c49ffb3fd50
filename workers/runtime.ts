/**
 * What a worker process works with: configuration, connections, clock. Opened once, closed once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { openBatch, type Batch } from '../aws/batch.ts';
import { createBudget } from '../aws/budget.ts';
import { createEcrLogins } from '../aws/ecr-login.ts';
import { createEtagTrust } from '../aws/etag-trust.ts';
import type { IdentitySources } from '../aws/identity-sources.ts';
import { createSlots, type Slots } from '../aws/in-parallel.ts';
import { openObjectStore, type ObjectStore } from '../aws/s3.ts';
import type { Config } from '../config.ts';
import { formatS3Url } from '../core/files/s3-url.ts';
import { openDatabase, type Database } from '../db/client.ts';
import { openFleetClock, type FleetClock } from '../db/fleet-clock.ts';
import { asDependency } from '../db/watch.ts';
import { openImageMemo } from '../db/image-digests.ts';
import { readInstallation, type InstallationRow } from '../db/installation.ts';
import { isDatabaseAway } from '../db/unavailable.ts';
import { openObjectSums } from '../db/object-sums.ts';
import { createTemplateCache, type TemplateCache } from '../db/templates.ts';
import type { Nudge } from '../queues/messages.ts';
import type { Prices } from '../core/cost/prices.ts';
import { openQueues, type Queues } from '../queues/queues.ts';
import type { ImageDigests } from '../registry/image-digests.ts';
import { openImages } from '../registry/open.ts';
import { watchClock } from '../telemetry/clock.ts';
import { reportMysql, reportRedis } from '../telemetry/dependencies.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createUsage, type Usage } from '../telemetry/usage.ts';
import type { CrashPoint } from './crash-points.ts';
import { openPrices } from '../price-file.ts';

export interface Runtime {
  config: Config;
  /** Id of the installation: in the keys of the work bucket, and in the names of jobs. */
  installation: string;
  database: Database;
  queues: Queues;
  objects: ObjectStore;
  /** What inputs hold, and what is remembered of it. */
  identities: IdentitySources;
  /** What tags of images name; absent where their names count as they are. */
  images: ImageDigests | undefined;
  /** Copies that run at once in this process. Large ones take minutes: they have their own. */
  copies: { small: Slots; large: Slots };
  batch: Batch;
  templates: TemplateCache;
  metrics: Metrics;
  prices: Prices;
  /** What this process adds up by owner. */
  usage: Usage;
  log: Log;
  /** URL of one of Batchwell's own objects. */
  workUrl(key: string): string;
  /** The fleet's clock: the database's time, whatever the host's clock says. */
  nowMs(): number;
  /** Resolves once `nowMs` is the database's time; rejects when MySQL does not answer. */
  clockLearned(): Promise<void>;
  /** Called at each named moment; see crash-points.ts. */
  passCrashPoint(point: CrashPoint): void;
  close(): Promise<void>;
}

/** What a stage did with a message: finished it, with what comes next, or takes it again later. */
export type StageOutcome = ({ do: 'done' } | { do: 'wait'; waitMs: number }) & {
  next?: readonly Nudge[];
  /** How many rows it worked on: a message whose rows have moved on proves nothing of the stage. */
  handled?: number;
};

export interface RuntimeOptions {
  config: Config;
  metrics: Metrics;
  log: Log;
  /** Ends the wait for MySQL. */
  stopping?: AbortSignal;
  onCrashPoint?: (point: CrashPoint) => void;
  /** The host's wall clock, which can be wrong; the machine's when absent. */
  wallMs?: () => number;
  /** Replaces the fleet's clock, for tests that go through days. */
  nowMs?: () => number;
}

/** At 30 ms a request, 2,000 copies a second; half of the sockets stay for other requests. */
const COPIES_AT_ONCE = 64;
const LARGE_COPIES_AT_ONCE = 4;

/** Without MySQL a worker can do nothing. */
const MYSQL_WITHIN_MS = 60_000;
const MYSQL_PAUSE_MS = 500;

/** S3's write rate per prefix (source: Amazon S3 user guide); applies only while S3 throttles. */
const S3_PER_SECOND = 3500;

/** Which identities count. */
const openTrust = ({ config, log }: RuntimeOptions) => ({
  prefersSha256: config.cacheSharing === 'sha256',
  etags: createEtagTrust({
    distrusted: config.distrustedEtags,
    onDistrust: (bucket, etag) => log.warn({ bucket, etag }, 'etags-not-trusted'),
  }),
});

/** Whether a message can be finished now. */
export const canProceed = ({ queues, database }: Pick<Runtime, 'queues' | 'database'>): boolean =>
  queues.redis.status === 'ready' && database.standing().up;

/** @throws when MySQL does not answer, or was not migrated */
export async function openRuntime(options: RuntimeOptions): Promise<Runtime> {
  const { config, metrics, log } = options;
  const prices = await openPrices(config);
  const { database, installation, clock, queues } = await openStores(options);
  const { nowMs } = clock;
  const { objects, batch } = openAws(options, queues);
  const images = openImages({
    settings: config,
    memo: openImageMemo(database.pool),
    metrics,
    log,
    logins: createEcrLogins({
      nowMs,
      onRefused: (region, message) => log.warn({ region, message }, 'ecr-login-refused'),
    }),
  });
  return {
    config,
    installation,
    database,
    queues,
    objects,
    identities: { objects, memo: openObjectSums(database.pool, nowMs), ...openTrust(options) },
    copies: { small: createSlots(COPIES_AT_ONCE), large: createSlots(LARGE_COPIES_AT_ONCE) },
    images,
    batch,
    metrics,
    prices,
    usage: createUsage(),
    log,
    templates: createTemplateCache(),
    workUrl: (key) => formatS3Url({ bucket: config.bucket, key: config.bucketPrefix + key }),
    nowMs,
    clockLearned: () => clock.learned(MYSQL_WITHIN_MS),
    passCrashPoint: options.onCrashPoint ?? (() => undefined),
    async close() {
      clock.close();
      await images?.close();
      await queues.close();
      await database.close();
      objects.close();
      batch.close();
    },
  };
}

/** Opens MySQL, and what needs it: who this fleet is, its clock, and its queues. */
async function openStores(options: RuntimeOptions) {
  const { config, metrics } = options;
  const database = openDatabase({
    url: config.databaseUrl,
    connections: config.databaseConnections,
    statementMs: config.workerStatementMs,
    onTimeout: (what) => metrics.databaseTimeouts.inc({ what }),
    onChange: (standing) => reportMysql(options, asDependency(standing)),
  });
  const { installation } = await awaitInstallation(database, options.stopping).catch(
    async (error: unknown) => {
      await database.close();
      throw error;
    },
  );
  const clock = openClock(options, database);
  const queues = openQueues({
    redisUrl: config.redisUrl,
    prefix: config.redisPrefix,
    keepFinishedMs: config.keepFinishedMs,
    retryMs: config.messageRetryMs,
    nowMs: clock.nowMs,
    onChange: ({ up, isReplica, reason }) =>
      reportRedis(options, { up, isReadOnly: isReplica, reason }),
  });
  return { database, installation, clock, queues };
}

/** A worker that starts while MySQL is away waits for it. */
async function awaitInstallation(
  { pool }: Database,
  stopping: AbortSignal | undefined,
): Promise<InstallationRow> {
  const endMs = performance.now() + MYSQL_WITHIN_MS;
  for (;;) {
    try {
      return await readInstallation(pool);
    } catch (error) {
      if (!isDatabaseAway(error) || performance.now() > endMs) throw error;
      await sleep(MYSQL_PAUSE_MS, undefined, { ...(stopping && { signal: stopping }) });
    }
  }
}

function openClock(
  { nowMs, wallMs, metrics, log }: RuntimeOptions,
  { pool }: Database,
): FleetClock {
  if (nowMs) return { nowMs, learned: () => Promise.resolve(), close: () => undefined };
  return openFleetClock({
    session: pool,
    ...(wallMs && { wallMs }),
    ...watchClock(metrics, log),
  });
}

function openAws({ config, metrics }: RuntimeOptions, { redis }: Queues) {
  const budgetOf = (key: string, service: 'batch' | 's3', perSecond: number) =>
    createBudget({
      redis,
      key: `${config.redisPrefix}:budget:${key}`,
      service,
      perSecond,
      metrics,
    });
  const objects = openObjectStore({
    metrics,
    pathStyle: config.s3PathStyle === 'yes',
    budget: budgetOf('s3', 's3', S3_PER_SECOND),
    requesterPays: config.requesterPays,
  });
  // AWS limits SubmitJob separately. With one budget for all calls, the registration of a shape
  // would take a turn from its submission.
  const batch = openBatch({
    budget: budgetOf('batch', 'batch', config.batchPerSecond),
    submitBudget: budgetOf('batch:SubmitJob', 'batch', config.batchPerSecond),
    metrics,
    submitTimeoutMs: config.submitTimeoutMs,
  });
  return { objects, batch };
}
