/**
 * This folder runs the whole of Batchwell on one machine: Redis, MariaDB, the local AWS, the host
 * folder with the stager, the API and the workers. `batchwell up`, the demo and the flow tests
 * start it here.
 */
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openObjectStore, type ObjectStore } from '../aws/s3.ts';
import { ConfigError, readConfig } from '../config.ts';
import { migrateDatabase } from '../db/client.ts';
import { removeTree } from '../packages/local-aws/remove-tree.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { createProcessGroup, type UnexpectedExit } from './stack/processes.ts';
import {
  startApiProgram,
  startWorkerProgram,
  type StackPlace,
  type WantedPort,
} from './stack/programs.ts';
import {
  endpointVariables,
  localEndpoint,
  localDefaults,
  startServers,
  type LocalAws,
  type ServerChoice,
  type Servers,
} from './stack/servers.ts';
import { waitForAll } from './stack/wait-for-all.ts';

export interface StackOptions extends ServerChoice, WantedPort {
  /**
   * Keeps all data here. Without it, the data is in a temporary folder and is deleted with the
   * stack.
   */
  keepDataFolder?: string;
  /** Worker processes; each runs all five stages. Default 1. */
  workers?: number;
  /**
   * Settings of config.ts for the API and the workers, by variable; they override the environment.
   */
  settings?: Record<string, string>;
  /** Called with what is being done, in a few words. */
  onStep?: (step: string) => void;
  /** When aborted during the start, what has started is stopped again and the start rejects. */
  signal?: AbortSignal;
}

export interface Stack {
  apiUrl: string;
  /** One per worker process. */
  workerMetricsUrls: string[];
  /** Absent where another AWS is used. */
  localAws?: LocalAws;
  redisUrl: string;
  databaseUrl: string;
  bucket: string;
  /** S3 as the stack's own processes see it. */
  objects: ObjectStore;
  /** What a process needs in its environment to see the same Redis, database and AWS. */
  environment: NodeJS.ProcessEnv;
  /** Logs of the processes, and all data. */
  folder: string;
  /** Settles when a process exits without being asked to. */
  unexpectedExit: Promise<UnexpectedExit>;
  /**
   * Stops every process, and deletes the folder unless it is to be kept. May be called more than
   * once.
   */
  stop(): Promise<void>;
}

/**
 * Rejects with ConfigError, with the first failure of a process, or with the signal's reason.
 * Nothing is left running then.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  checkSettings(options);
  const place = await makePlace(options);
  let objects: ObjectStore | undefined;
  const stop = async (): Promise<void> => {
    try {
      await place.processes.stop();
    } finally {
      objects?.close();
      await leavePlace(place);
    }
  };
  try {
    await mkdir(join(place.folder, 'logs'), { recursive: true });
    const assembled = await assemble(options, place);
    ({ objects } = assembled);
    return { ...assembled, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Finds every wrong setting that can be found before anything is started. */
function checkSettings({ environment, settings, aws }: StackOptions): void {
  readConfig({ ...environment, ...settings });
  const given = endpointVariables.filter((name) => environment[name]);
  if (given.length === 1 && !aws)
    throw new ConfigError(
      `${given[0]} is set, but ${endpointVariables.find((name) => name !== given[0])} is not. ` +
        'Set both to use another AWS, or neither to use the local one.',
    );
}

async function makePlace({ keepDataFolder }: StackOptions): Promise<StackPlace> {
  const temporary = keepDataFolder === undefined;
  const folder = temporary ? await mkdtemp(join(tmpdir(), 'batchwell-')) : resolve(keepDataFolder);
  return { processes: createProcessGroup(), folder, temporary };
}

async function leavePlace({ folder, temporary }: StackPlace): Promise<void> {
  if (!temporary) return;
  for (let tried = 1; ; tried += 1)
    try {
      return await removeTree(folder);
    } catch (error) {
      // A process that was killed may still write for a moment.
      if (tried < 5) await sleep(100);
      else return process.emitWarning(`${folder} could not be deleted: ${String(error)}`);
    }
}

async function assemble(options: StackOptions, place: StackPlace): Promise<Omit<Stack, 'stop'>> {
  announce(options, 'Starting Redis, MariaDB and the local AWS');
  const servers = await startServers(options, place);
  const { redisUrl, databaseUrl, localAws } = servers;
  const environment = {
    ...(servers.localAws && localDefaults),
    ...options.environment,
    ...options.settings,
    ...servers.environment,
  };
  const { bucket } = readConfig(environment);

  announce(options, 'Creating the tables and the work bucket');
  const objects = openObjects(servers);
  await waitForAll([
    migrateDatabase(databaseUrl),
    localAws ? objects.ensureBucket(bucket) : undefined,
  ]);

  announce(options, 'Starting the API and the workers');
  const services = await startServices(options, place, environment);
  options.signal?.throwIfAborted();
  return {
    ...services,
    redisUrl,
    databaseUrl,
    bucket,
    objects,
    environment,
    folder: place.folder,
    unexpectedExit: place.processes.unexpectedExit,
    ...(localAws && { localAws }),
  };
}

function announce({ signal, onStep }: StackOptions, step: string): void {
  signal?.throwIfAborted();
  onStep?.(step);
}

const openObjects = ({ localAws }: Servers): ObjectStore =>
  openObjectStore({
    metrics: createMetrics(),
    pathStyle: localAws !== undefined,
    ...(localAws && { endpoint: localEndpoint(localAws) }),
  });

async function startServices(
  options: StackOptions,
  place: StackPlace,
  environment: NodeJS.ProcessEnv,
): Promise<Pick<Stack, 'apiUrl' | 'workerMetricsUrls'>> {
  const [apiUrl, ...workerMetricsUrls] = await waitForAll([
    startApiProgram(place, environment, options),
    ...Array.from({ length: options.workers ?? 1 }, (_, at) =>
      startWorkerProgram(place, environment, at + 1),
    ),
  ]);
  return { apiUrl, workerMetricsUrls };
}
