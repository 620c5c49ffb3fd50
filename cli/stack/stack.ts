/**
 * The whole of Batchwell on one machine: Redis, MariaDB, the local AWS, the host folder with the stager, the API
 * and the workers. `batchwell up`, the demo and the flow tests start it here.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openObjectStore, type ObjectStore } from '../../aws/s3.ts';
import { ConfigError, readConfig } from '../../config.ts';
import { migrateDatabase } from '../../db/client.ts';
import { MissingProgram } from '../services/install.ts';
import { startMariadb } from '../services/mariadb.ts';
import { startRedis } from '../services/redis.ts';
import { ensureBubblewrap } from '../services/sandbox.ts';
import { assembleHostFolder } from '../../stager/host-folder.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { gatherParts, type BrokenPart } from './processes.ts';
import {
  startApiProgram,
  startLocalBatchProgram,
  startLocalS3Program,
  startWorkerProgram,
  type StackPlace,
  type WantedPort,
} from './programs.ts';

export interface StackOptions extends WantedPort {
  /** What the stack is told from outside: REDIS_URL and DATABASE_URL are used when given, and so is every setting of config.ts. */
  environment: Readonly<Record<string, string | undefined>>;
  /** Use the AWS that the environment names, and not the local one. */
  aws?: boolean;
  /** Keeps all data here; without it they lie in a temporary folder and go with the stack. */
  keepDataFolder?: string;
  /** Worker processes; each runs all five stages. Default 1. */
  workers?: number;
  /** Settings of config.ts for API and workers, by variable; they win over the environment. */
  settings?: Record<string, string>;
  /** Told what is being done, in a few words. */
  onStep?: (step: string) => void;
  /** When aborted during the start, what has started is ended again and the start rejects. */
  signal?: AbortSignal;
}

export interface LocalAws {
  s3Url: string;
  batchUrl: string;
  /** What clients of it need in their environment besides. */
  credentials: Record<string, string>;
}

export interface Stack {
  apiUrl: string;
  /** One per worker process. */
  workerMetricsUrls: string[];
  /** Absent where a real AWS is used. */
  localAws?: LocalAws;
  redisUrl: string;
  databaseUrl: string;
  bucket: string;
  /** S3 as the stack's own parts see it. */
  objects: ObjectStore;
  /** What a process needs in its environment to see the same Redis, database and AWS. */
  environment: NodeJS.ProcessEnv;
  /** Logs of the parts, and all data. */
  folder: string;
  /** Settles when a part ends although nobody asked it to. */
  broken: Promise<BrokenPart>;
  /** Ends every part, and removes the folder unless it is to be kept. May be called more than once. */
  stop(): Promise<void>;
}

const endpoints = ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL_BATCH'] as const;

/** The local AWS takes any credentials; these are sent so that the SDKs find some and never look for real ones. */
const localCredentials = {
  AWS_ACCESS_KEY_ID: 'local',
  AWS_SECRET_ACCESS_KEY: 'local',
  AWS_REGION: 'us-east-1',
};

/** Rejects with ConfigError, with the first failure of a part, or with the signal's reason; nothing is left running then. */
export async function startStack(options: StackOptions): Promise<Stack> {
  checkSettings(options);
  const temporary = options.keepDataFolder === undefined;
  const folder =
    options.keepDataFolder === undefined
      ? await mkdtemp(join(tmpdir(), 'batchwell-'))
      : resolve(options.keepDataFolder);
  const place: StackPlace = { parts: gatherParts(), folder, temporary };
  let objects: ObjectStore | undefined;
  const stop = async (): Promise<void> => {
    try {
      await place.parts.stop();
    } finally {
      objects?.close();
      if (temporary)
        await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    }
  };
  try {
    await mkdir(join(folder, 'logs'), { recursive: true });
    const assembled = await assemble(options, place);
    ({ objects } = assembled);
    return { ...assembled, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Everything that can be told to be wrong before anything is started. */
function checkSettings({ environment, settings, aws }: StackOptions): void {
  readConfig({ ...environment, ...settings });
  const given = endpoints.filter((name) => environment[name]);
  if (given.length === 1 && !aws)
    throw new ConfigError(
      `${given[0]} is set, but ${endpoints.find((name) => name !== given[0])} is not: give both for another AWS, or none for the local one.`,
    );
}

async function assemble(options: StackOptions, place: StackPlace): Promise<Omit<Stack, 'stop'>> {
  const step = (text: string): void => {
    options.signal?.throwIfAborted();
    options.onStep?.(text);
  };
  step('starting Redis, MariaDB and the local AWS');
  const [redisUrl, databaseUrl, aws] = await all([
    redisPart(options, place),
    databasePart(options, place),
    awsParts(options, place),
  ]);
  const environment: NodeJS.ProcessEnv = {
    ...options.environment,
    ...options.settings,
    ...aws.environment,
    REDIS_URL: redisUrl,
    DATABASE_URL: databaseUrl,
  };
  const config = readConfig(environment);

  step('making tables and the work bucket');
  const objects = openObjectStore({
    metrics: createMetrics(),
    pathStyle: aws.local !== undefined,
    ...(aws.local && { endpoint: localEndpoint(aws.local.s3Url) }),
  });
  await all([
    migrateDatabase(databaseUrl),
    aws.local ? objects.ensureBucket(config.bucket) : undefined,
  ]);

  step('starting the API and the workers');
  const [apiUrl, ...workerMetricsUrls] = await all([
    startApiProgram(place, environment, options),
    ...Array.from({ length: options.workers ?? 1 }, (_, at) =>
      startWorkerProgram(place, environment, at + 1),
    ),
  ]);
  options.signal?.throwIfAborted();
  return {
    apiUrl,
    workerMetricsUrls,
    redisUrl,
    databaseUrl,
    bucket: config.bucket,
    objects,
    environment,
    folder: place.folder,
    broken: place.parts.broken,
    ...(aws.local && { localAws: aws.local }),
  };
}

const localEndpoint = (url: string) => ({
  url,
  region: localCredentials.AWS_REGION,
  accessKeyId: localCredentials.AWS_ACCESS_KEY_ID,
  secretAccessKey: localCredentials.AWS_SECRET_ACCESS_KEY,
});

/** As Promise.all, but waits for all before it rejects: a part that is still starting must be known before all are ended. */
async function all<const T extends readonly unknown[]>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const settled = await Promise.allSettled(work);
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
  return settled.map((one) => (one as PromiseFulfilledResult<unknown>).value) as {
    -readonly [K in keyof T]: Awaited<T[K]>;
  };
}

async function redisPart(
  options: StackOptions,
  { parts, folder, temporary }: StackPlace,
): Promise<string> {
  const given = options.environment['REDIS_URL'];
  if (given) return given;
  const redis = await startRedis(temporary ? {} : { dataFolder: join(folder, 'redis') });
  parts.add({ title: 'Redis', ...redis });
  return redis.url;
}

async function databasePart(
  options: StackOptions,
  { parts, folder, temporary }: StackPlace,
): Promise<string> {
  const given = options.environment['DATABASE_URL'];
  if (given) return given;
  const mariadb = await startMariadb(temporary ? {} : { dataFolder: join(folder, 'mariadb') });
  parts.add({ title: 'MariaDB', ...mariadb });
  return mariadb.url;
}

/** Where none can be had a container engine may still run the tasks; when that fails too, the local Batch says what to install. */
async function ensureSandbox(): Promise<void> {
  await ensureBubblewrap().catch((error: unknown) => {
    if (!(error instanceof MissingProgram)) throw error;
  });
}

interface AwsParts {
  local?: LocalAws;
  /** For API and workers. */
  environment: NodeJS.ProcessEnv;
}

async function awsParts(options: StackOptions, place: StackPlace): Promise<AwsParts> {
  const given = options.environment;
  if (options.aws || endpoints.every((name) => given[name])) return { environment: {} };
  const hostFolder = join(place.folder, 'host');
  const [s3Url] = await all([
    startLocalS3Program(place, { ...given }),
    assembleHostFolder(hostFolder),
    ensureSandbox(),
  ]);
  const aws = { ...localCredentials, AWS_ENDPOINT_URL_S3: s3Url };
  const batchUrl = await startLocalBatchProgram(place, { ...given }, aws);
  // What belongs to an account of the user's own must not be mixed with the local AWS.
  const notTheUsersOwn = {
    AWS_PROFILE: undefined,
    AWS_SESSION_TOKEN: undefined,
    BATCHWELL_JOB_QUEUE: undefined,
    BATCHWELL_JOB_ROLE: undefined,
  };
  return {
    local: { s3Url, batchUrl, credentials: localCredentials },
    environment: {
      ...aws,
      ...notTheUsersOwn,
      AWS_ENDPOINT_URL_BATCH: batchUrl,
      BATCHWELL_HOST_FOLDER: hostFolder,
      BATCHWELL_S3_PATH_STYLE: 'yes',
    },
  };
}
