/**
 * The servers that a stack needs: Redis, MariaDB, and an S3 and a Batch. Each is a given one or a
 * private one.
 */
import { join } from 'node:path';
import { readConfig } from '../../config.ts';
import { assembleHostFolder } from '../../stager/host-folder.ts';
import { MissingProgram } from '../services/install.ts';
import { startMariadb } from '../services/mariadb.ts';
import { startRedis } from '../services/redis.ts';
import { ensureBubblewrap } from '../services/sandbox.ts';
import { startLocalBatchProgram, startLocalS3Program, type StackPlace } from './programs.ts';
import { waitForAll } from './wait-for-all.ts';

/** What decides which servers are used. */
export interface ServerChoice {
  /** REDIS_URL, DATABASE_URL and the two endpoints name servers to use instead of private ones. */
  environment: Readonly<Record<string, string | undefined>>;
  /** Use the AWS account that the environment names, and not the local AWS. */
  aws?: boolean;
}

export interface LocalAws {
  s3Url: string;
  batchUrl: string;
  /** The other variables that clients of it need in their environment. */
  credentials: Record<string, string>;
}

export interface Servers {
  redisUrl: string;
  databaseUrl: string;
  /** Absent where another AWS is used. */
  localAws?: LocalAws;
  /** What the API and the workers need in their environment to use these servers. */
  environment: NodeJS.ProcessEnv;
}

export const endpointVariables = ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL_BATCH'] as const;

/** The local AWS takes any credentials. The SDKs find these, and so never look for real ones. */
const localCredentials = {
  AWS_ACCESS_KEY_ID: 'local',
  AWS_SECRET_ACCESS_KEY: 'local',
  AWS_REGION: 'us-east-1',
};

/**
 * Settings for the local AWS that the environment may override. The local Batch runs commands as
 * processes of this machine, mostly without the image, and a laptop may be offline. So no registry
 * is asked, and a tag counts by its name: a second run of the demo hits the cache.
 */
export const localDefaults = { BATCHWELL_IMAGE_IDENTITY: 'tag' };

export async function startServers(choice: ServerChoice, place: StackPlace): Promise<Servers> {
  const [redisUrl, databaseUrl, aws] = await waitForAll([
    useRedis(choice, place),
    useDatabase(choice, place),
    useAws(choice, place),
  ]);
  // The URLs are complete. A private server has a user and a password of its own.
  const inUrls = { DATABASE_USER: '', DATABASE_PASSWORD: '', REDIS_USER: '', REDIS_PASSWORD: '' };
  const environment = {
    ...aws.environment,
    ...inUrls,
    REDIS_URL: redisUrl,
    DATABASE_URL: databaseUrl,
  };
  return { ...aws, redisUrl, databaseUrl, environment };
}

/** How this process itself reaches the local S3. */
export const localEndpoint = ({ s3Url }: LocalAws) => ({
  url: s3Url,
  region: localCredentials.AWS_REGION,
  accessKeyId: localCredentials.AWS_ACCESS_KEY_ID,
  secretAccessKey: localCredentials.AWS_SECRET_ACCESS_KEY,
});

async function useRedis(
  { environment }: ServerChoice,
  { processes, folder, temporary }: StackPlace,
): Promise<string> {
  if (environment['REDIS_URL']) return readConfig(environment).redisUrl;
  const redis = await startRedis(temporary ? {} : { dataFolder: join(folder, 'redis') });
  processes.add({ title: 'Redis', ...redis });
  return redis.url;
}

async function useDatabase(
  { environment }: ServerChoice,
  { processes, folder, temporary }: StackPlace,
): Promise<string> {
  if (environment['DATABASE_URL']) return readConfig(environment).databaseUrl;
  const mariadb = await startMariadb(temporary ? {} : { dataFolder: join(folder, 'mariadb') });
  processes.add({ title: 'MariaDB', ...mariadb });
  return mariadb.url;
}

async function useAws(
  { environment: given, aws: real }: ServerChoice,
  place: StackPlace,
): Promise<Pick<Servers, 'localAws' | 'environment'>> {
  if (real || endpointVariables.every((name) => given[name])) return { environment: {} };
  const hostFolder = join(place.folder, 'host');
  const [s3Url] = await waitForAll([
    startLocalS3Program(place, { ...given }),
    assembleHostFolder(hostFolder),
    ensureSandbox(),
  ]);
  const aws = { ...localCredentials, AWS_ENDPOINT_URL_S3: s3Url };
  const batchUrl = await startLocalBatchProgram(place, { ...given }, aws);
  // Settings of the user's own account must not be mixed with the local AWS.
  const notTheUsersOwn = {
    AWS_PROFILE: undefined,
    AWS_SESSION_TOKEN: undefined,
    BATCHWELL_JOB_QUEUE: undefined,
    BATCHWELL_JOB_ROLE: undefined,
  };
  return {
    localAws: { s3Url, batchUrl, credentials: localCredentials },
    environment: {
      ...aws,
      ...notTheUsersOwn,
      AWS_ENDPOINT_URL_BATCH: batchUrl,
      BATCHWELL_HOST_FOLDER: hostFolder,
      BATCHWELL_S3_PATH_STYLE: 'yes',
    },
  };
}

/**
 * Without a sandbox, a container engine may still run the tasks; if that fails too, the local Batch
 * says what to install.
 */
async function ensureSandbox(): Promise<void> {
  await ensureBubblewrap().catch((error: unknown) => {
    if (!(error instanceof MissingProgram)) throw error;
  });
}
