/**
 * A container that is a process of this machine inside a program that isolates it: bubblewrap or
 * proot.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  readFileSync,
  fstatSync,
  writeSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  cannotStartReason,
  OUT_OF_MEMORY_REASON,
  type Container,
  type Ended,
  type RunningContainer,
} from '../runner.ts';
import type { Cgroup, Cgroups } from './cgroups.ts';
import { removeScratch } from './scratch.ts';

/** Where one task's files are on this machine. */
export interface Scratch {
  folder: string;
  /** Becomes `/`. */
  root: string;
  /** Holds the volumes without a host path. */
  volumes: string;
}

/** The program that isolates, with all its arguments and the task's command. */
export interface Invocation {
  argv: string[];
  /**
   * Further arguments, passed over a pipe as fd 4 so that they (a job's secrets) stand in no
   * process list.
   */
  privateArguments?: string[];
  environment: Record<string, string>;
  /**
   * True when the program reports the pid of its init process on fd 3. Otherwise the program itself
   * is the command's parent.
   */
  reportsInit: boolean;
  /** What the program prints when the command does not exist. */
  notFound: RegExp;
  /**
   * What it prints when a signal ended the command, if its exit code is not 128 + signal.
   */
  signalled?: RegExp;
}

export interface ProcessContainerSetting {
  scratchFolder: string;
  keepScratch: boolean;
  cgroups?: Cgroups;
  invoke(container: Container, scratch: Scratch): Invocation;
}

// The shell joins the cgroups and then becomes the program, so it is never without limits.
const JOIN_AND_RUN =
  'while [ "$1" != -- ]; do echo $$ > "$1" || exit 125; shift; done; shift; exec "$@"';
const SIGNAL_BASE = 128;
const NOT_FOUND_EXIT_CODE = 127;
const LOG_TAIL_BYTES = 4096;
const NO_LIMITS =
  'local Batch: the memory and CPU of this job are not limited: no cgroup can be created here.\n';

/** What Docker gives a container whose image sets nothing. */
export function containerEnvironment({ environment, taskId }: Container): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    HOSTNAME: taskId.slice(0, 12),
    ...environment,
  };
}

function makeScratch(folder: string): Scratch {
  const scratch = { folder, root: join(folder, 'root'), volumes: join(folder, 'volumes') };
  for (const path of ['tmp', 'var/tmp', 'root'])
    mkdirSync(join(scratch.root, path), { recursive: true });
  for (const path of ['tmp', 'var/tmp']) chmodSync(join(scratch.root, path), 0o1777);
  mkdirSync(scratch.volumes);
  return scratch;
}

/**
 * bubblewrap's status pipe reports the pid of the container's init. The command is its only child.
 */
function commandPid(initPid: number): number | undefined {
  try {
    const first =
      readFileSync(`/proc/${initPid}/task/${initPid}/children`, 'utf8').split(' ')[0] ?? '';
    return first === '' ? undefined : Number(first);
  } catch {
    return undefined;
  }
}

function signalProcess(pid: number | undefined, signal: NodeJS.Signals): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

function readTail(log: number): string {
  const { size } = fstatSync(log);
  const buffer = Buffer.alloc(Math.min(size, LOG_TAIL_BYTES));
  readSync(log, buffer, 0, buffer.length, size - buffer.length);
  return buffer.toString('utf8');
}

/**
 * A zombie has ended: it only waits for its parent, which is the machine's init once bubblewrap has
 * ended.
 */
function stillRuns(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function untilGone(pid: number | undefined): Promise<void> {
  if (pid === undefined) return;
  for (let tries = 0; tries < 400 && stillRuns(pid); tries += 1) await sleep(2);
}

interface Started {
  child: ChildProcess;
  invocation: Invocation;
  log: number;
  cgroup?: Cgroup;
  initPid(): number | undefined;
}

function spawnIn(setting: ProcessContainerSetting, container: Container, log: number): Started {
  const scratch = makeScratch(join(setting.scratchFolder, container.taskId));
  const invocation = setting.invoke(container, scratch);
  const texts = [...invocation.argv, ...(invocation.privateArguments ?? [])];
  if (texts.some((text) => text.includes('\0')))
    throw new Error('a zero byte in the command or the environment');
  const cgroup = setting.cgroups?.create(container.taskId, container);
  if (cgroup === undefined) writeSync(log, NO_LIMITS);
  const child = spawn(
    '/bin/sh',
    ['-c', JOIN_AND_RUN, 'sh', ...(cgroup?.joinFiles ?? []), '--', ...invocation.argv],
    {
      env: invocation.environment,
      cwd: '/',
      // A terminal's Ctrl-C is for the server, which then ends its jobs in order.
      detached: true,
      stdio: ['ignore', log, log, 'pipe', 'pipe'],
    },
  );
  const reportedPid = readInitPid(child);
  sendArguments(child, invocation.privateArguments ?? []);
  return {
    child,
    invocation,
    log,
    ...(cgroup === undefined ? {} : { cgroup }),
    initPid: () => (invocation.reportsInit ? reportedPid() : child.pid),
  };
}

/** What the program reports on fd 3: `{"child-pid": 123}`. */
function readInitPid(child: ChildProcess): () => number | undefined {
  let pid: number | undefined;
  child.stdio[3]?.on('data', (chunk: Buffer) => {
    const told = /"child-pid"\s*:\s*(\d+)/.exec(chunk.toString())?.[1];
    if (told !== undefined) pid ??= Number(told);
  });
  return () => pid;
}

function sendArguments(child: ChildProcess, texts: readonly string[]): void {
  const pipe = child.stdio[4];
  if (!(pipe instanceof Writable)) return;
  // A program that ends before it has read them logs the reason.
  pipe.on('error', () => undefined);
  pipe.end(texts.map((text) => `${text}\0`).join(''));
}

const oomReason = (cgroup: Cgroup | undefined) =>
  (cgroup?.oomKills() ?? 0) > 0 ? { reason: OUT_OF_MEMORY_REASON } : {};

function judge(
  { invocation, log, cgroup }: Started,
  container: Container,
  code: number | null,
  signal: NodeJS.Signals | null,
): Ended {
  if (code === 0) return { exitCode: 0 };
  if (signal !== null)
    return { exitCode: SIGNAL_BASE + constants.signals[signal], signal, ...oomReason(cgroup) };
  const tail = readTail(log);
  if (invocation.notFound.test(tail)) {
    return {
      exitCode: NOT_FOUND_EXIT_CODE,
      reason: cannotStartReason(container.command[0] ?? ''),
      neverStarted: true,
    };
  }
  const number = invocation.signalled?.exec(tail)?.[1];
  return {
    exitCode: number === undefined ? (code ?? 0) : SIGNAL_BASE + Number(number),
    ...oomReason(cgroup),
  };
}

/** A container whose command never ran. */
function failedStart(
  reason: string,
  cleanedUp: Promise<void> = Promise.resolve(),
): RunningContainer {
  const ended: Ended = { neverStarted: true, reason: `CannotStartContainerError: ${reason}` };
  return {
    ended: cleanedUp.then(
      () => ended,
      () => ended,
    ),
    kill: () => undefined,
  };
}

async function cleanUp(
  { keepScratch, scratchFolder }: ProcessContainerSetting,
  { taskId }: Container,
  log: number,
  started?: Started,
): Promise<void> {
  closeSync(log);
  await untilGone(started?.initPid());
  await started?.cgroup?.remove();
  if (!keepScratch) await removeScratch(join(scratchFolder, taskId));
}

function endOf(started: Started, container: Container): Promise<Ended> {
  return new Promise((resolve) => {
    started.child.once('error', (cause) =>
      resolve({ neverStarted: true, reason: `CannotStartContainerError: ${cause.message}` }),
    );
    started.child.once('exit', (code, signal) => resolve(judge(started, container, code, signal)));
  });
}

function killNow({ child, initPid }: Started): void {
  signalProcess(initPid(), 'SIGKILL');
  // The group: proot leaves its tracees behind when it is killed. bubblewrap's processes end with
  // its init.
  if (child.pid !== undefined) signalProcess(-child.pid, 'SIGKILL');
}

/**
 * Only the command itself gets SIGTERM, as from `docker stop`. The isolating program would end, and
 * end the command with it.
 */
function askToEnd({ initPid }: Started): boolean {
  const init = initPid();
  return init !== undefined && signalProcess(commandPid(init), 'SIGTERM');
}

/** Starts the task's command. A failure to start is an ending, not an exception. */
export function startProcessContainer(
  setting: ProcessContainerSetting,
  container: Container,
): RunningContainer {
  let log: number;
  try {
    log = openSync(container.logFile, 'w+');
  } catch (cause) {
    return failedStart(`no log file: ${String(cause)}`);
  }
  let started: Started;
  try {
    if (container.command.length === 0) throw new Error('No command specified');
    started = spawnIn(setting, container, log);
  } catch (cause) {
    return failedStart(String(cause), cleanUp(setting, container, log));
  }
  let killer: NodeJS.Timeout | undefined;
  const ended = endOf(started, container).then(async (result) => {
    clearTimeout(killer);
    await cleanUp(setting, container, log, started).catch((cause: unknown) =>
      process.emitWarning(`Job ${container.jobId} has ended but left something: ${String(cause)}`),
    );
    return result;
  });
  return {
    ended,
    kill(signal, graceMs) {
      if (signal === 'SIGTERM' && askToEnd(started))
        killer ??= setTimeout(() => killNow(started), graceMs);
      else killNow(started);
    },
  };
}
