/**
 * Memory and CPU limits by cgroup, where this process can create cgroups: version 1 (one tree per
 * controller) and version 2. Elsewhere nothing is limited: `ulimit -v` counts address space, and a
 * Node that reserves gigabytes of it could not even start.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Cgroup {
  /** A process joins by writing its pid to each of these files. */
  joinFiles: string[];
  /** Processes that the kernel has killed for memory. */
  oomKills(): number;
  /** Call when nothing runs in it. */
  remove(): Promise<void>;
}

export interface Cgroups {
  version: 1 | 2;
  create(name: string, limits: { memoryMiB: number; vcpus: number }): Cgroup;
  /** Removes the empty cgroups of servers that have ended. */
  sweep(): void;
}

const MOUNT_POINT = '/sys/fs/cgroup';
const PREFIX = 'batchwell-';
const BYTES_PER_MIB = 1024 * 1024;
const SHARES_PER_CPU = 1024;
const WEIGHT_PER_CPU = 100;
const HEAVIEST_WEIGHT = 10_000;

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** The folder of a version 1 controller that this process is in. */
function versionOneFolder(controller: string): string | undefined {
  const line = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .find((text) => text.split(':')[1]?.split(',').includes(controller));
  const path = line?.split(':')[2];
  if (path === undefined) return undefined;
  return [join(MOUNT_POINT, controller, path), join(MOUNT_POINT, controller)].find(
    (folder) => existsSync(join(folder, 'cgroup.procs')) && isWritable(folder),
  );
}

function readCount(file: string, key: string): number {
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find((text) => text.startsWith(`${key} `));
  return Number(line?.split(' ')[1] ?? 0);
}

async function removeFolder(folder: string): Promise<void> {
  // The last process of a cgroup leaves it a moment after it was reaped.
  for (let tries = 0; tries < 50; tries += 1) {
    const removed = await rmdir(folder).then(
      () => true,
      (cause: NodeJS.ErrnoException) => cause.code === 'ENOENT',
    );
    if (removed) return;
    await sleep(10);
  }
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

function sweepFolder(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = Number(/^batchwell-(\d+)-/.exec(name)?.[1] ?? 0);
    if (pid === 0 || isAlive(pid)) continue;
    try {
      rmdirSync(join(folder, name));
    } catch {
      // Something still runs in it. The next start tries again.
    }
  }
}

const cgroupName = (name: string) => `${PREFIX}${process.pid}-${name}`;

function createVersionOne(memoryFolder: string, cpuFolder: string | undefined): Cgroups {
  return {
    version: 1,
    create(name, { memoryMiB, vcpus }) {
      const memory = join(memoryFolder, cgroupName(name));
      mkdirSync(memory);
      if (memoryMiB > 0)
        writeFileSync(join(memory, 'memory.limit_in_bytes'), String(memoryMiB * BYTES_PER_MIB));
      const folders = [memory];
      if (cpuFolder !== undefined) {
        const cpu = join(cpuFolder, cgroupName(name));
        mkdirSync(cpu);
        writeFileSync(
          join(cpu, 'cpu.shares'),
          String(Math.max(2, Math.round(vcpus * SHARES_PER_CPU))),
        );
        folders.push(cpu);
      }
      return {
        joinFiles: folders.map((folder) => join(folder, 'cgroup.procs')),
        oomKills: () => readCount(join(memory, 'memory.oom_control'), 'oom_kill'),
        remove: async () => void (await Promise.all(folders.map(removeFolder))),
      };
    },
    sweep() {
      sweepFolder(memoryFolder);
      if (cpuFolder !== undefined) sweepFolder(cpuFolder);
    },
  };
}

function createVersionTwo(root: string): Cgroups {
  return {
    version: 2,
    create(name, { memoryMiB, vcpus }) {
      const folder = join(root, cgroupName(name));
      mkdirSync(folder);
      if (memoryMiB > 0)
        writeFileSync(join(folder, 'memory.max'), String(memoryMiB * BYTES_PER_MIB));
      if (existsSync(join(folder, 'memory.swap.max')))
        writeFileSync(join(folder, 'memory.swap.max'), '0');
      const weight = Math.min(HEAVIEST_WEIGHT, Math.max(1, Math.round(vcpus * WEIGHT_PER_CPU)));
      if (existsSync(join(folder, 'cpu.weight')))
        writeFileSync(join(folder, 'cpu.weight'), String(weight));
      return {
        joinFiles: [join(folder, 'cgroup.procs')],
        oomKills: () => readCount(join(folder, 'memory.events'), 'oom_kill'),
        remove: () => removeFolder(folder),
      };
    },
    sweep: () => sweepFolder(root),
  };
}

function candidate(): Cgroups | undefined {
  if (existsSync(join(MOUNT_POINT, 'cgroup.controllers'))) {
    const handedDown = readFileSync(join(MOUNT_POINT, 'cgroup.subtree_control'), 'utf8').split(
      /\s+/,
    );
    return handedDown.includes('memory') && isWritable(MOUNT_POINT)
      ? createVersionTwo(MOUNT_POINT)
      : undefined;
  }
  const memory = versionOneFolder('memory');
  return memory === undefined ? undefined : createVersionOne(memory, versionOneFolder('cpu'));
}

/** The cgroups of this machine, after a trial. Undefined when this process cannot create one. */
export async function findCgroups(): Promise<Cgroups | undefined> {
  try {
    const cgroups = candidate();
    const trial = cgroups?.create('trial', { memoryMiB: 64, vcpus: 1 });
    trial?.oomKills();
    await trial?.remove();
    return cgroups;
  } catch {
    // Read-only or owned by another user. The log of each job says that it is not limited.
    return undefined;
  }
}
