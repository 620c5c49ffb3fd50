/**
 * A server as a child process that cannot outlive this process. This folder holds the private Redis
 * and MariaDB of the CLI and the tests, and the installation of programs that they need.
 *
 * PR_SET_PDEATHSIG would be shorter, but it is Linux only, follows a thread and not a process, and
 * is cleared when the server changes its user, which mariadbd does. So each server has a watchdog:
 * a shell that waits for the end of a pipe that only this process holds open. The kernel closes
 * that pipe however this process ends, even by SIGKILL.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';

/**
 * Reads until the pipe ends, then ends process $1 and removes folder $2, if given. A zombie counts
 * as ended although kill -0 succeeds: it stays in a container whose first process does not reap.
 */
const WATCHDOG_SCRIPT = `
trap '' HUP INT TERM
lives() { kill -0 "$1" 2>/dev/null && ! grep -q ') Z ' "/proc/$1/stat" 2>/dev/null; }
read -r _
kill -TERM "$1" 2>/dev/null
n=0
while [ "$n" -lt 100 ] && lives "$1"; do sleep 0.1 2>/dev/null || sleep 1; n=$((n + 1)); done
kill -KILL "$1" 2>/dev/null
[ -z "$2" ] || rm -rf -- "$2"
`;

/**
 * Waits for a line on fd 3 before it becomes the server, so that the server never runs without its
 * watchdog: if this process is killed in between, the line never comes and the pipe ends.
 */
const GATE_SCRIPT = 'read -r _ <&3 || exit 0; exec 3<&-; exec "$@"';

const LOG_TAIL_LINES = 30;

export interface ServerCommand {
  /** What the server is called in errors, such as `Redis`. */
  title: string;
  program: string;
  args: string[];
  /**
   * The line of its output that says it is ready. It needs no polling and cannot come from another
   * server on the same port.
   */
  readyLine: RegExp;
  readyWithinMs: number;
  /** Time between SIGTERM and SIGKILL. */
  stopWithinMs: number;
  /** Removed when the server has ended, even if this process was killed. */
  temporaryFolder?: string;
  /**
   * A folder that several servers share. Removed only if this process was killed; otherwise the
   * caller removes it.
   */
  sharedFolder?: string;
  /** The server's whole environment. Default: only what every program needs. */
  environment?: NodeJS.ProcessEnv;
  /** Receives all output of the server, from both streams. */
  logFile?: string;
}

export interface OwnedServer {
  pid: number;
  /** Settles when the server ends, with how it ended: `exit code 1` or `SIGKILL`. */
  ended: Promise<string>;
  /** SIGTERM, then SIGKILL; then removes the temporary folder. May be called more than once. */
  stop(): Promise<void>;
  /** The line that matched readyLine. */
  readyText: string;
  /** The end of its log so far. */
  logTail(): string;
}

/** A database server of our own, on loopback. */
export interface PrivateServer extends Omit<OwnedServer, 'readyText'> {
  /** With its user, if it has one, and its password. */
  url: string;
  port: number;
  password: string;
  dataFolder: string;
}

/** The server ended or timed out before it was ready. The message holds the end of its log. */
export class ServerNotReady extends Error {
  readonly portTaken: boolean;

  constructor(title: string, what: string, logTail: string) {
    super(`${title} did not start: ${what}. The end of its log:\n${logTail}`);
    this.name = 'ServerNotReady';
    this.portTaken = /address already in use/i.test(logTail);
  }
}

/**
 * Starts the server and waits until it is ready. Rejects with ServerNotReady, after which nothing
 * of it is left.
 */
export async function startOwnedServer(command: ServerCommand): Promise<OwnedServer> {
  // A session of its own: Ctrl-C on the terminal reaches only this process, which stops the servers
  // in order.
  const child = spawn('/bin/sh', ['-c', GATE_SCRIPT, 'gate', command.program, ...command.args], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
    cwd: '/',
    env: command.environment ?? serverEnvironment(),
  });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (cause) => resolve(cause.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  if (child.pid === undefined) throw new ServerNotReady(command.title, await ended, '');
  const pid = child.pid;
  const watchdog = startWatchdog(pid, command.temporaryFolder ?? command.sharedFolder);
  const gate = child.stdio[3] as Writable;
  gate.on('error', () => undefined); // the child may be gone already: `ended` tells
  gate.end('go\n');

  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= stopServer(child, ended, watchdog, command));
  const output = collectOutput(child, command);
  const silent = timer(command.readyWithinMs);
  const trouble = Promise.race([ended.then((how) => `it ended with ${how}`), silent.fired]);
  const outcome = await Promise.race([output.ready, trouble.then((what) => ({ what }))]);
  silent.cancel();
  if ('what' in outcome) {
    await stop();
    throw new ServerNotReady(command.title, outcome.what, output.tail());
  }
  // The pid of an ended server can be reused. Its watchdog must not signal the new process.
  void ended.then(() => watchdog.kill('SIGKILL'));
  return { pid, ended, stop, readyText: outcome.line, logTail: output.tail };
}

/**
 * Servers get none of our secrets. BATCHWELL_RUN lets .ci/run find processes that are left behind.
 */
function serverEnvironment(): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LD_LIBRARY_PATH', 'BATCHWELL_RUN'];
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => kept.includes(name)));
}

function startWatchdog(pid: number, temporaryFolder: string | undefined): ChildProcess {
  const watchdog = spawn(
    '/bin/sh',
    ['-c', WATCHDOG_SCRIPT, 'batchwell-watchdog', String(pid), temporaryFolder ?? ''],
    {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
      env: serverEnvironment(),
    },
  );
  watchdog.stdin?.on('error', () => undefined);
  watchdog.unref();
  return watchdog;
}

async function stopServer(
  child: ChildProcess,
  ended: Promise<string>,
  watchdog: ChildProcess,
  command: ServerCommand,
): Promise<void> {
  const patience = timer(command.stopWithinMs);
  child.kill('SIGTERM');
  await Promise.race([ended, patience.fired]);
  patience.cancel();
  child.kill('SIGKILL'); // does nothing when it has ended
  await ended;
  if (watchdog.exitCode === null && watchdog.signalCode === null) {
    watchdog.ref();
    const gone = once(watchdog, 'exit');
    watchdog.kill('SIGKILL');
    await gone;
  }
  if (command.temporaryFolder !== undefined)
    await rm(command.temporaryFolder, { recursive: true, force: true });
}

function collectOutput(
  child: ChildProcess,
  { readyLine, logFile }: ServerCommand,
): { ready: Promise<{ line: string }>; tail(): string } {
  const lines: string[] = [];
  const log = logFile === undefined ? undefined : createWriteStream(logFile, { flags: 'a' });
  log?.on('error', () => undefined); // a full disk must not end us; the tail is in memory
  const ready = new Promise<{ line: string }>((resolve) => {
    for (const stream of [child.stdout, child.stderr] as Readable[]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (text: string) => {
        log?.write(text);
        const parts = (rest + text).split('\n');
        rest = parts.pop() ?? '';
        for (const part of parts) lines.push(part);
        lines.splice(0, lines.length - LOG_TAIL_LINES);
        const line = parts.find((part) => readyLine.test(part));
        if (line !== undefined) resolve({ line });
      });
    }
  });
  child.once('close', () => log?.end());
  return { ready, tail: () => lines.join('\n') };
}

function timer(ms: number): { fired: Promise<string>; cancel(): void } {
  let handle: NodeJS.Timeout | undefined;
  const fired = new Promise<string>((resolve) => {
    handle = setTimeout(() => resolve(`it was not ready within ${ms} ms`), ms);
  });
  return { fired, cancel: () => clearTimeout(handle) };
}
