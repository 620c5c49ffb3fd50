/** Starts the API process: opens its dependencies, listens, and closes everything again. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ConfigError, type Config } from '../config.ts';
import { createEcrLogins } from '../aws/ecr-login.ts';
import { createEtagTrust } from '../aws/etag-trust.ts';
import { canonicalSpecs, resolveComponents } from '../aws/fingerprints.ts';
import { createBudget } from '../aws/budget.ts';
import { openJobQueues } from '../aws/job-queues.ts';
import { openObjectStore, type ObjectStore } from '../aws/s3.ts';
import type { LeaseLost } from '../core/installation/lease.ts';
import { formatS3Url } from '../core/files/s3-url.ts';
import { openImageMemo } from '../db/image-digests.ts';
import { openObjectSums } from '../db/object-sums.ts';
import { openDatabase } from '../db/client.ts';
import { openFleetClock } from '../db/fleet-clock.ts';
import { asDependency } from '../db/watch.ts';
import { readLogLevel } from '../queues/log-level.ts';
import { openQueues, type Queues } from '../queues/queues.ts';
import { requireUsableRedis } from '../queues/shard.ts';
import { openImages } from '../registry/open.ts';
import { watchClock } from '../telemetry/clock.ts';
import { reportMysql, reportRedis } from '../telemetry/dependencies.ts';
import { createLog, logLevels, setLogLevel } from '../telemetry/log.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { createApp } from './app.ts';
import { messageOf } from './error-message.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { LogObjects } from './tasks/logs.ts';
import { withImages } from './tasks/images.ts';
import { openPrices } from '../price-file.ts';
import { watchInstallation } from './watch-installation.ts';

export interface RunningApi {
  /** http://host:port */
  url: string;
  /** Finishes the requests in progress, then closes every connection. */
  close(): Promise<void>;
  /** Resolves when the fleet was stopped: another database acts for its installation. */
  lost: Promise<LeaseLost>;
}

const CLOCK_WITHIN_MS = 5000;

/** Rejects when the port is in use, or when a configuration item is invalid. */
export async function startApi(config: Config): Promise<RunningApi> {
  const log = createLog({ level: config.logLevel, name: 'api' });
  const metrics = createMetrics();
  const { database, queues, clock } = openStores(config, { metrics, log });
  const { nowMs } = clock;
  const objects = openObjects(config, metrics);
  const identities = {
    objects,
    memo: openObjectSums(database.pool, nowMs),
    ...identityRules(config),
  };
  const jobQueues = openQueueCheck({ config, queues, metrics, log });
  const images = openImagesFor({ config, database, metrics, log, nowMs });
  const level = followLogLevel(queues, config);
  const closeDependencies = async (): Promise<void> => {
    level.close();
    clock.close();
    await images?.close();
    await Promise.allSettled([queues.close(), database.close()]);
    objects.close();
    jobQueues.close();
  };
  try {
    await requireUsableRedis(queues.redis);
    const installation = await watchInstallation(database, config);
    // Without MySQL the API still answers reads, and no time is stored.
    await clock.learned(CLOCK_WITHIN_MS).catch(() => undefined);
    const app = await createApp({
      config,
      database,
      queues,
      log,
      metrics,
      logObjects: openLogObjects(objects, config),
      resolveComponents: async (tasks) =>
        resolveComponents(identities, await withImages(images, config, tasks)),
      jobQueues,
      prices: await openPrices(config),
      canonicalSpecs: (tasks) => canonicalSpecs(identities, tasks),
      nowMs,
      ...(await readTls(config, metrics)),
    });
    const url = await app.listen({ host: config.host, port: config.port });
    log.info({ event: 'listening', url }, 'listening');
    return {
      url,
      lost: installation.lost,
      async close() {
        installation.close();
        await app.close();
        await closeDependencies();
      },
    };
  } catch (error) {
    await closeDependencies();
    throw error;
  }
}

const openObjects = (config: Config, metrics: Metrics): ObjectStore =>
  openObjectStore({
    metrics,
    pathStyle: config.s3PathStyle === 'yes',
    requesterPays: config.requesterPays,
  });

const identityRules = ({ cacheSharing, distrustedEtags }: Config) => ({
  prefersSha256: cacheSharing === 'sha256',
  etags: createEtagTrust({ distrusted: distrustedEtags }),
});

const LEVEL_LOOK_MS = 5000;

/** Another process of the API may have been asked. */
function followLogLevel({ redis }: Queues, { redisPrefix }: Config): { close(): void } {
  let was: string | undefined;
  const look = async (): Promise<void> => {
    const wanted = await readLogLevel(redis, redisPrefix);
    if (wanted !== was) setLogLevel(logLevels.find((level) => level === wanted));
    was = wanted;
  };
  const timer = setInterval(() => void look().catch(() => undefined), LEVEL_LOOK_MS).unref();
  return { close: () => clearInterval(timer) };
}

function openLogObjects(objects: ObjectStore, { bucket, bucketPrefix }: Config): LogObjects {
  const urlOf = (key: string): string => formatS3Url({ bucket, key: bucketPrefix + key });
  return {
    readTail: (key, mostBytes) => objects.getTail(urlOf(key), mostBytes),
    open: (key, options) => objects.open(urlOf(key), options),
    describe: (key) => objects.describe(urlOf(key)),
  };
}

function openStores(config: Config, telemetry: Pick<ApiDependencies, 'metrics' | 'log'>) {
  const { metrics, log } = telemetry;
  const database = openDatabase({
    url: config.databaseUrl,
    connections: config.databaseConnections,
    statementMs: config.apiStatementMs,
    onTimeout: (what) => metrics.databaseTimeouts.inc({ what }),
    onChange: (standing) => reportMysql(telemetry, asDependency(standing)),
  });
  const clock = openFleetClock({ session: database.pool, ...watchClock(metrics, log) });
  const queues = openQueues({
    redisUrl: config.redisUrl,
    prefix: config.redisPrefix,
    keepFinishedMs: config.keepFinishedMs,
    retryMs: config.messageRetryMs,
    nowMs: clock.nowMs,
    onChange: ({ up, isReplica, reason }) =>
      reportRedis(telemetry, { up, isReadOnly: isReplica, reason }),
  });
  return { database, queues, clock };
}

const openQueueCheck = ({
  config,
  queues,
  metrics,
  log,
}: Pick<ApiDependencies, 'config' | 'queues' | 'metrics' | 'log'>) =>
  openJobQueues({
    // The budget of the workers for everything but SubmitJob.
    budget: createBudget({
      redis: queues.redis,
      key: `${config.redisPrefix}:budget:batch`,
      service: 'batch',
      perSecond: config.batchPerSecond,
      metrics,
    }),
    metrics,
    onFailed: (error) =>
      log.warn({ event: 'queues-not-listed', error: messageOf(error) }, 'queues-not-listed'),
  });

/** To tell in a dry run what a task's image is. */
const openImagesFor = ({
  config,
  database,
  metrics,
  log,
  nowMs,
}: Pick<ApiDependencies, 'config' | 'database' | 'metrics' | 'log' | 'nowMs'>) =>
  openImages({
    settings: config,
    memo: openImageMemo(database.pool),
    metrics,
    log,
    logins: createEcrLogins({
      nowMs,
      onRefused: (region, message) =>
        log.warn({ event: 'ecr-login-refused', region, message }, 'ecr-login-refused'),
    }),
  });

/** Rejects with a ConfigError when a file cannot be read, or only one is set. */
async function readTls(
  { tlsKey, tlsCert }: Config,
  metrics: Metrics,
): Promise<Pick<ApiDependencies, 'tls'>> {
  if (tlsKey === '' && tlsCert === '') return {};
  if (tlsKey === '' || tlsCert === '')
    throw new ConfigError(
      'BATCHWELL_TLS_KEY and BATCHWELL_TLS_CERT must be set together. Set the other one, or neither.',
    );
  const cert = await readPem('BATCHWELL_TLS_CERT', tlsCert);
  metrics.certificateEnd.set(endOfCertificate(cert) / 1000);
  return {
    tls: {
      key: await readPem('BATCHWELL_TLS_KEY', tlsKey),
      cert,
    },
  };
}

function endOfCertificate(pem: string): number {
  try {
    return new X509Certificate(pem).validToDate.getTime();
  } catch (error) {
    throw new ConfigError(
      `BATCHWELL_TLS_CERT does not begin with a PEM certificate: ${messageOf(error)}. Check the file.`,
    );
  }
}

const readPem = (variable: string, path: string): Promise<string> =>
  readFile(path, 'utf8').catch((error: unknown) => {
    throw new ConfigError(
      `${variable}=${path} cannot be read: ${messageOf(error)}. Check the path and its permissions.`,
    );
  });
