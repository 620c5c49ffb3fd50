/** The processes of this machine or container, as /proc shows them. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Seen {
  pid: number;
  parent: number;
  session: number;
  /** Clock ticks from the machine's start to the process's: with the pid, it names one process. */
  started: string;
  /** What `ps` shows: at most 15 characters. */
  name: string;
}

/** Undefined when it has ended. A zombie has: it holds no file and only waits for its parent. */
export function seeProcess(pid: number): Seen | undefined {
  let line: string;
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name may hold anything, also parentheses.
  const nameEnd = line.lastIndexOf(')');
  const [state = '', parent, , session, ...rest] = line.slice(nameEnd + 2).split(' ');
  if (state === 'Z' || state === 'X') return undefined;
  return {
    pid,
    parent: Number(parent),
    session: Number(session),
    started: rest[15] ?? '',
    name: line.slice(line.indexOf('(') + 1, nameEnd),
  };
}

export const seeProcesses = (): Seen[] =>
  readdirSync('/proc').flatMap((name) =>
    /^\d+$/.test(name) ? (seeProcess(Number(name)) ?? []) : [],
  );

/**
 * Whether the numbers in /proc are those that kill() takes: a PID namespace may have been made without
 * a /proc of its own, and then they are those of other processes.
 */
export function procIsOurs(): boolean {
  try {
    const numbers = /^NSpid:(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
    return (
      readlinkSync('/proc/self') === String(process.pid) && numbers.trim() === String(process.pid)
    );
  } catch {
    return false;
  }
}

/** Whether the process was started with this variable: `NAME=value`. */
export function carries(pid: number, variable: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(variable);
  } catch {
    return false;
  }
}

/** The control groups of a process, as text; undefined when it has ended or they may not be read. */
export function groupsOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch {
    return undefined;
  }
}

/** Sends a signal to this very process, and not to a later one of the same number. */
export function signalSeen({ pid, started }: Seen, signal: NodeJS.Signals): void {
  if (seeProcess(pid)?.started !== started) return;
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended since, or belongs to another user.
  }
}
