/** Finds the best way to run containers on this machine by trying each. */
import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { tmpdir } from 'node:os';
import type { Container, Ended, Runner, RunningContainer } from '../runner.ts';
import { findCgroups } from './cgroups.ts';
import {
  createEngineRunner,
  engineAnswers,
  ENGINE_REFUSED_REASON,
  type EngineRunner,
} from './engine-container.ts';
import { createIsolatedRunner } from './isolated.ts';
import { createProotRunner } from './proot.ts';
import { removeScratch } from './scratch.ts';

export type RunnerKind = 'isolated' | 'proot' | 'container';

export interface ChooseOptions {
  dataFolder: string;
  keepScratch?: boolean;
  /**
   * Use only this way or fail. Default: a container engine for the images it has, and for all
   * others isolated, else proot.
   */
  only?: RunnerKind;
  /** Further flags for `podman run` or `docker run`. */
  engineFlags?: readonly string[];
  /** Containers that mount a volume there start without the ENTRYPOINT of their image. */
  withoutEntrypointAt?: string | undefined;
}

function findProgram(name: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/**
 * Runs a small job in it. The kernel or a surrounding container can refuse what the program needs,
 * and proot before 5.2 does not know the system call statx, so in it existing files cannot be
 * found.
 */
async function works(make: (dataFolder: string) => Runner): Promise<boolean> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'batchwell-trial-'));
  const volume = join(dataFolder, 'volume');
  await mkdir(volume);
  await writeFile(join(volume, 'marker'), '');
  try {
    const { exitCode } = await make(dataFolder).start({
      jobId: 'trial',
      jobName: 'trial',
      attempt: 1,
      taskId: 'trial',
      image: '',
      environment: {},
      command: [
        'sh',
        '-c',
        'ls /opt/batchwell-trial/marker && mkdir /data && ls /data && touch /tmp/written',
      ],
      vcpus: 1,
      memoryMiB: 64,
      readonlyRoot: false,
      logFile: join(dataFolder, 'log'),
      mounts: [
        {
          volume: 'trial',
          hostPath: volume,
          containerPath: '/opt/batchwell-trial',
          readOnly: true,
        },
      ],
    }).ended;
    return exitCode === 0;
  } finally {
    await removeScratch(dataFolder);
  }
}

async function findProcessRunner({
  dataFolder,
  keepScratch = false,
  only,
}: ChooseOptions): Promise<Runner | undefined> {
  const cgroups = await findCgroups();
  const shared = { keepScratch, ...(cgroups === undefined ? {} : { cgroups }) };
  const bwrap = findProgram('bwrap');
  if (bwrap !== undefined && only !== 'proot') {
    const make = (folder: string) =>
      createIsolatedRunner({ ...shared, dataFolder: folder, program: bwrap });
    if (await works(make)) return make(dataFolder);
  }
  const proot = findProgram('proot');
  const setpriv = findProgram('setpriv');
  if (proot !== undefined && setpriv !== undefined && only !== 'isolated') {
    const make = (folder: string) =>
      createProotRunner({ ...shared, dataFolder: folder, program: proot, setpriv });
    if (await works(make)) return make(dataFolder);
  }
  return undefined;
}

async function findEngine({
  dataFolder,
  only,
  engineFlags = [],
  withoutEntrypointAt,
}: ChooseOptions): Promise<EngineRunner | undefined> {
  if (only === 'isolated' || only === 'proot') return undefined;
  for (const name of ['podman', 'docker']) {
    const program = findProgram(name);
    if (program !== undefined && (await engineAnswers(program)))
      return createEngineRunner({ dataFolder, program, flags: engineFlags, withoutEntrypointAt });
  }
  return undefined;
}

/**
 * Starts in the engine if it has the image, else in the other runner, also when the engine refuses
 * (podman in a container often needs flags that only its owner knows). A kill that comes before
 * this is decided is kept.
 */
function startInEither(
  engine: EngineRunner,
  other: Runner,
  container: Container,
): RunningContainer {
  let running: RunningContainer | undefined;
  let wanted: { signal: 'SIGTERM' | 'SIGKILL'; graceMs: number } | undefined;
  const startIn = (runner: Runner): Promise<Ended> => {
    running = runner.start(container);
    if (wanted !== undefined) running.kill(wanted.signal, wanted.graceMs);
    return running.ended;
  };
  async function run(): Promise<Ended> {
    if (!(await engine.hasImage(container.image))) return startIn(other);
    const ended = await startIn(engine);
    if (ended.reason !== ENGINE_REFUSED_REASON || wanted !== undefined) return ended;
    process.emitWarning(
      `The container engine refused job ${container.jobId}, so it runs ${other.name}: ` +
        (await readFile(container.logFile, 'utf8').catch(String)),
    );
    return startIn(other);
  }
  return {
    ended: run(),
    kill(signal, graceMs) {
      wanted = { signal, graceMs };
      running?.kill(signal, graceMs);
    },
  };
}

/** The engine for the images it has, the other runner for everything else. */
export function combineRunners(engine: EngineRunner, other: Runner): Runner {
  return {
    name: `container+${other.name}`,
    keepsLogs: true,
    start: (container) => startInEither(engine, other, container),
    async sweep() {
      await engine.sweep?.();
      await other.sweep?.();
    },
  };
}

/**
 * The best runner of this machine.
 * @throws when there is none. The message says what to install.
 */
export async function chooseRunner(options: ChooseOptions): Promise<Runner> {
  const [engine, other] = await Promise.all([
    findEngine(options),
    options.only === 'container' ? undefined : findProcessRunner(options),
  ]);
  if (engine !== undefined && other !== undefined) return combineRunners(engine, other);
  const found = other ?? engine;
  if (found !== undefined) return found;
  const tried = options.only ?? 'bubblewrap, proot, podman or docker';
  throw new Error(
    `Jobs cannot run on this machine (tried ${tried}). ` +
      'Install bubblewrap (Debian: apt-get install bubblewrap) or use the simulated runner. ' +
      'In a container, bubblewrap needs root, the capability SYS_ADMIN, and neither seccomp nor AppArmor: ' +
      'docker run --user root --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined.',
  );
}
