/** The programs of a stack that belong to this project, each in a process of its own. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HOST_FOLDER } from '../../core/container/container.ts';
import { ServerNotReady } from '../services/owned-server.ts';
import { startOnPort } from '../services/ports.ts';
import { startProgram, type ProcessGroup } from './processes.ts';
import { SERVICE_NODE_OPTIONS } from './service-memory.ts';

/** Where a stack keeps its processes and files. */
export interface StackPlace {
  processes: ProcessGroup;
  /** Data and logs. */
  folder: string;
  /** Whether the folder is deleted with the stack. */
  temporary: boolean;
}

/** In the package that npm installs, the programs are JavaScript. */
const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

const fromRoot = (path: string): string =>
  fileURLToPath(new URL(`../../${path}.${EXTENSION}`, import.meta.url));

interface Program {
  title: string;
  /** Names its log file. */
  name: string;
  /** From the root, without its extension. */
  script: string;
  args: string[];
  environment: NodeJS.ProcessEnv;
}

/** Each of these programs prints its URL once it serves. Returns that URL. */
async function start(
  { processes, folder, temporary }: StackPlace,
  program: Program,
): Promise<string> {
  const started = await startProgram({
    title: program.title,
    script: fromRoot(program.script),
    args: program.args,
    environment: program.environment,
    readyLine: READY_LINE,
    logFile: join(folder, 'logs', `${program.name}.log`),
    ...(temporary && { sharedFolder: folder }),
  });
  processes.add(started);
  return READY_LINE.exec(started.readyText)?.[1] ?? '';
}

/** The ready lines of the API and the workers, and of the local AWS. */
const READY_LINE = /(?:\bready at |^\{"url":")(https?:\/\/[^\s"]+)/;

/** Returns its URL. */
export async function startLocalS3Program(
  place: StackPlace,
  environment: NodeJS.ProcessEnv,
): Promise<string> {
  const dataFolder = join(place.folder, 's3');
  await mkdir(dataFolder, { recursive: true });
  return start(place, {
    title: 'the local S3',
    name: 's3',
    script: 'packages/local-aws/s3/main',
    // A newcomer has no bucket, and nothing here costs anything.
    args: ['--data', dataFolder, '--buckets-on-demand'],
    environment,
  });
}

/** Returns its URL. `jobEnvironment` is set in every container, as a job role would do. */
export async function startLocalBatchProgram(
  place: StackPlace,
  environment: NodeJS.ProcessEnv,
  jobEnvironment: Record<string, string>,
): Promise<string> {
  const dataFolder = join(place.folder, 'batch');
  const settingsFile = join(place.folder, 'batch.json');
  // As the hosts of our templates do, so that an image behaves the same here.
  const settings = { dataFolder, jobEnvironment, withoutEntrypointAt: HOST_FOLDER };
  await writeFile(settingsFile, JSON.stringify(settings));
  return start(place, {
    title: 'the local Batch',
    name: 'batch',
    script: 'packages/local-aws/batch/main',
    args: [settingsFile],
    environment,
  });
}

export interface WantedPort {
  /** Only this port will do. */
  port?: number;
  /** This port, or a free one if it is taken. A free one if neither field is set. */
  preferredPort?: number;
}

/** The user's own NODE_OPTIONS take precedence. */
const asService = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  NODE_OPTIONS: SERVICE_NODE_OPTIONS,
  ...environment,
});

/** Returns the API's URL. */
export async function startApiProgram(
  place: StackPlace,
  environment: NodeJS.ProcessEnv,
  wanted: WantedPort,
): Promise<string> {
  const startOn = (port: number): Promise<string> =>
    start(place, {
      title: 'the API',
      name: 'api',
      script: 'cli/main',
      args: ['api'],
      environment: { ...asService(environment), HOST: '127.0.0.1', PORT: String(port) },
    });
  if (wanted.port !== undefined || wanted.preferredPort === undefined)
    return startOnPort(wanted.port, startOn);
  try {
    return await startOn(wanted.preferredPort);
  } catch (error) {
    if (!(error instanceof ServerNotReady && error.portTaken)) throw error;
    return startOnPort(undefined, startOn);
  }
}

/** Returns the URL of the worker's metrics. */
export const startWorkerProgram = (
  place: StackPlace,
  environment: NodeJS.ProcessEnv,
  number: number,
): Promise<string> =>
  startOnPort(undefined, (port) =>
    start(place, {
      title: `worker ${number}`,
      name: `worker-${number}`,
      script: 'cli/main',
      args: ['worker'],
      environment: { ...asService(environment), BATCHWELL_METRICS_PORT: String(port) },
    }),
  );
