/**
 * Containers by podman or docker, for images that are already on this machine: nothing is ever
 * pulled. The engine outlives the server, so the containers of a killed server keep running until
 * the next server on the same data folder ends them (its path is their label).
 */
import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { ContainerExtras } from '../jobs.ts';
import {
  cannotStartReason,
  OUT_OF_MEMORY_REASON,
  type Container,
  type Ended,
  type Runner,
  type RunningContainer,
} from '../runner.ts';

export interface EngineOptions {
  dataFolder: string;
  /** The full path of podman or docker. */
  program: string;
  /** Added after `run`, such as `--runtime=runc`. */
  flags?: readonly string[];
  /** Containers that mount a volume there start without the ENTRYPOINT of their image. */
  withoutEntrypointAt?: string | undefined;
}

export interface EngineRunner extends Runner {
  hasImage(image: string): Promise<boolean>;
}

const run = promisify(execFile);
const ANSWER_LIMIT_MS = 5000;
const LABEL = 'batchwell.local';
const IMAGE_KNOWN_MS = 60_000;
const SHARES_PER_CPU = 1024;
/**
 * `docker run`'s own exit codes: 125 the engine failed, 126 and 127 the command could not be run.
 */
const ENGINE_FAILED = 125;
const COMMAND_FAILED = [126, 127];
const NOT_RUN = /^(?:Error|docker): .*(?:OCI runtime|executable file not found|permission denied)/m;
/** With this reason nothing of the task ran, and another runner can take it. */
export const ENGINE_REFUSED_REASON =
  'CannotStartContainerError: the container engine refused the job; its message is in the log';

function runArguments(
  { dataFolder, flags = [], withoutEntrypointAt }: EngineOptions,
  container: Container,
): string[] {
  const { taskId, environment, memoryMiB, vcpus, mounts, readonlyRoot, image, command } = container;
  // `-e NAME` takes the value from the engine's own environment: secrets do not appear in process
  // lists.
  const variables = Object.entries(environment).flatMap(([name, value]) =>
    isEnginesOwn(name) ? ['-e', `${name}=${value}`] : ['-e', name],
  );
  const volumes = mounts.flatMap(({ hostPath, containerPath, readOnly }) => [
    '-v',
    `${hostPath === undefined ? '' : `${hostPath}:`}${containerPath}${readOnly && hostPath !== undefined ? ':ro' : ''}`,
  ]);
  return [
    'run',
    '--rm',
    '--pull=never',
    '--network=host',
    `--name=batchwell-${taskId}`,
    `--label=${LABEL}=${dataFolder}`,
    ...(memoryMiB > 0 ? [`--memory=${memoryMiB}m`] : []),
    `--cpu-shares=${Math.max(2, Math.round(vcpus * SHARES_PER_CPU))}`,
    ...(readonlyRoot ? ['--read-only'] : []),
    ...extraFlags(container.extras ?? {}),
    ...(mounts.some(({ containerPath }) => containerPath === withoutEntrypointAt)
      ? ['--entrypoint=']
      : []),
    ...flags,
    ...volumes,
    ...variables,
    image,
    ...command,
  ];
}

const extraFlags = ({
  user,
  ulimits = [],
  sharedMemoryMiB,
  tmpfs = [],
}: ContainerExtras): string[] => [
  ...(user === undefined ? [] : [`--user=${user}`]),
  ...ulimits.map(({ name, soft, hard }) => `--ulimit=${name}=${soft}:${hard}`),
  ...(sharedMemoryMiB === undefined ? [] : [`--shm-size=${sharedMemoryMiB}m`]),
  ...tmpfs.map(
    ({ path, sizeMiB }) => `--tmpfs=${path}:rw,nosuid,nodev,exec,mode=1777,size=${sizeMiB}m`,
  ),
];

/** Variables that change how the engine's own program behaves. */
const isEnginesOwn = (name: string) =>
  /^(PATH|HOME|DOCKER_.*|CONTAINER_.*|XDG_.*|TMPDIR|LD_.*)$/.test(name);

function judge(container: Container, exitCode: number, killed: boolean): Ended {
  if (exitCode === ENGINE_FAILED) return { neverStarted: true, reason: ENGINE_REFUSED_REASON };
  // A shell in the container that does not find a program exits with 127 too: the task's own error.
  if (COMMAND_FAILED.includes(exitCode) && NOT_RUN.test(readFileSync(container.logFile, 'utf8')))
    return { exitCode, neverStarted: true, reason: cannotStartReason(container.command[0] ?? '') };
  // With --rm nothing is left to inspect. 137 without a kill from here is the kernel's.
  return exitCode === 137 && !killed && container.memoryMiB > 0
    ? { exitCode, reason: OUT_OF_MEMORY_REASON }
    : { exitCode };
}

function startContainer(options: EngineOptions, container: Container): RunningContainer {
  const own = Object.fromEntries(
    Object.entries(container.environment).filter(([name]) => !isEnginesOwn(name)),
  );
  const log = openSync(container.logFile, 'w');
  const child = spawn(options.program, runArguments(options, container), {
    env: { ...process.env, ...own },
    // conmon leaves a file `oom` in its working folder.
    cwd: options.dataFolder,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let killed = false;
  let killer: NodeJS.Timeout | undefined;
  const name = `batchwell-${container.taskId}`;
  const engine = (...words: string[]) => run(options.program, words).catch(() => undefined);
  const ended = new Promise<Ended>((resolve) => {
    child.once('error', (cause) =>
      resolve({ neverStarted: true, reason: `CannotStartContainerError: ${cause.message}` }),
    );
    child.once('exit', (code) => resolve(judge(container, code ?? 137, killed)));
  }).finally(() => clearTimeout(killer));
  return {
    ended,
    kill(signal, graceMs) {
      killed = true;
      void engine('kill', `--signal=${signal}`, name);
      if (signal === 'SIGTERM')
        killer ??= setTimeout(() => void engine('kill', '--signal=SIGKILL', name), graceMs);
    },
  };
}

export function createEngineRunner(options: EngineOptions): EngineRunner {
  const known = new Map<string, { present: boolean; atMs: number }>();
  return {
    name: 'container',
    keepsLogs: true,
    start: (container) => startContainer(options, container),
    async hasImage(image) {
      const before = known.get(image);
      if (before !== undefined && Date.now() - before.atMs < IMAGE_KNOWN_MS) return before.present;
      const present = await run(options.program, ['image', 'inspect', image], {
        timeout: ANSWER_LIMIT_MS,
      }).then(
        () => true,
        () => false,
      );
      known.set(image, { present, atMs: Date.now() });
      return present;
    },
    async sweep() {
      const { stdout } = await run(options.program, [
        'ps',
        '-aq',
        `--filter=label=${LABEL}=${options.dataFolder}`,
      ]).catch(() => ({ stdout: '' }));
      const left = stdout.split('\n').filter((id) => id !== '');
      if (left.length > 0) await run(options.program, ['rm', '-f', ...left]).catch(() => undefined);
    },
  };
}

/** Whether the engine's daemon or store answers. */
export async function engineAnswers(program: string): Promise<boolean> {
  return run(program, ['info'], { timeout: ANSWER_LIMIT_MS }).then(
    () => true,
    () => false,
  );
}
