/**
 * What each executor uses: memory at its peak, CPU time, and bytes read and written. From the control
 * group (v2) where it is the task's own, and else from /proc: the shell's counters of the children it
 * has waited for, and looks at the processes that run. What a host does not show is left out.
 */
import { readFileSync } from 'node:fs';
import type { Usage } from '../core/result/result.ts';
import { JOB } from './descendants.ts';
import { carries, groupsOf, type Seen } from './processes.ts';

export interface UsageMeter {
  /** An executor is about to start. */
  start(): void;
  /** It has ended. Undefined where nothing could be measured. */
  end(): Usage | undefined;
  close(): void;
}

export interface UsageParts {
  env: NodeJS.ProcessEnv;
  /** The script's shell. */
  shell: () => number | undefined;
  /** The executor's processes that run now. */
  running: () => readonly Seen[];
}

/** A short executor is looked at early, and a long one now and then. */
const FIRST_LOOK_MS = 25;
const PAUSE_GROWTH = 3;
const LONGEST_PAUSE_MS = 1000;
const KIB = 1024;
/** Of the times in /proc, on every architecture (USER_HZ). */
const TICK_MS = 10;

interface Counters {
  cpuMs?: number | undefined;
  readBytes?: number | undefined;
  writtenBytes?: number | undefined;
}

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** The number after a name, as in /proc/PID/status and in the files of control groups. */
function field(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:?\\s+(\\d+)`, 'm').exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** The folder of a control group that no other job's process is in. */
function ownGroup(env: NodeJS.ProcessEnv): string | undefined {
  const path = /^0::(.*)$/m.exec(groupsOf(process.pid) ?? '')?.[1];
  const job = env[JOB];
  if (path === undefined || job === undefined) return undefined;
  const folder = `/sys/fs/cgroup${path === '/' ? '' : path}`;
  const pids = read(`${folder}/cgroup.procs`).split('\n').filter(Boolean).map(Number);
  const isOurs =
    pids.length > 0 && pids.every((pid) => pid === process.pid || carries(pid, `${JOB}=${job}`));
  return isOurs && read(`${folder}/memory.current`) !== '' ? folder : undefined;
}

/** Without what the kernel may drop, and without the stager. */
function memoryOfGroup(folder: string): number {
  const stat = read(`${folder}/memory.stat`);
  const own = KIB * (field(read('/proc/self/status'), 'RssAnon') ?? 0);
  return Math.max(0, (field(stat, 'anon') ?? 0) + (field(stat, 'shmem') ?? 0) - own);
}

/** One process may have had its peak between two looks. */
function memoryOfProcesses(running: readonly Seen[]): number {
  let sum = 0;
  let largest = 0;
  for (const { pid } of running) {
    const status = read(`/proc/${pid}/status`);
    sum += field(status, 'VmRSS') ?? 0;
    largest = Math.max(largest, field(status, 'VmHWM') ?? 0);
  }
  return KIB * Math.max(sum, largest);
}

/** A process's counters of the children that it has waited for. */
function waitedFor(pid: number): Counters {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[13]) + Number(fields[14]);
  const io = read(`/proc/${pid}/io`);
  return {
    cpuMs: Number.isFinite(ticks) ? ticks * TICK_MS : undefined,
    readBytes: field(io, 'rchar'),
    writtenBytes: field(io, 'wchar'),
  };
}

function cpuOfGroup(folder: string): number | undefined {
  const all = field(read(`${folder}/cpu.stat`), 'usage_usec');
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  return all === undefined ? undefined : (all - userCPUTime - systemCPUTime) / 1000;
}

const since = (now: number | undefined, before: number | undefined): number | undefined =>
  now === undefined || before === undefined ? undefined : Math.max(0, Math.round(now - before));

export function openUsage({ env, shell, running }: UsageParts): UsageMeter {
  const group = ownGroup(env);
  let before: Counters = {};
  let peakBytes = 0;
  let timer: NodeJS.Timeout | undefined;

  const count = (): Counters => {
    const pid = shell();
    const counted = pid === undefined ? {} : waitedFor(pid);
    return group === undefined ? counted : { ...counted, cpuMs: cpuOfGroup(group) };
  };
  const look = (): void => {
    const bytes = group === undefined ? memoryOfProcesses(running()) : memoryOfGroup(group);
    peakBytes = Math.max(peakBytes, bytes);
  };
  const lookEvery = (pauseMs: number): void => {
    timer = setTimeout(() => {
      look();
      lookEvery(Math.min(LONGEST_PAUSE_MS, pauseMs * PAUSE_GROWTH));
    }, pauseMs).unref();
  };
  const close = (): void => clearTimeout(timer);
  return {
    start() {
      close();
      before = count();
      peakBytes = 0;
      lookEvery(FIRST_LOOK_MS);
    },
    end() {
      close();
      const now = count();
      const cpuMs = since(now.cpuMs, before.cpuMs);
      if (cpuMs === undefined) return undefined;
      const readBytes = since(now.readBytes, before.readBytes);
      const writtenBytes = since(now.writtenBytes, before.writtenBytes);
      return {
        peakMemoryBytes: peakBytes,
        cpuMs,
        ...(readBytes !== undefined && writtenBytes !== undefined && { readBytes, writtenBytes }),
      };
    },
    close,
  };
}
