/** The shell that runs the task's script, and the two channels between it and the stager. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';

/** Handles one request; true is sent as ok, false as no. Must not throw. */
export type Answer = (words: string[]) => Promise<boolean>;

export interface RunningShell {
  /** Undefined when it could not be started. */
  pid: number | undefined;
  /** The exit code; 128 + n when killed by signal n. Rejects when the shell cannot be started. */
  ended: Promise<number>;
  /** Sends it to the whole process group: the shell and everything the task started. */
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
}

const signalNumbers: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
};

/**
 * Cuts the stream into requests: a count, then that many words, each ended by NUL.
 * @throws when the first word of a request is not a count
 */
export function readRequests(onRequest: (words: string[]) => void): (chunk: Buffer) => void {
  let unfinished: Buffer[] = [];
  let words: string[] = [];
  let awaited: number | undefined;

  const take = (word: string): void => {
    if (awaited === undefined) {
      if (!/^\d{1,4}$/.test(word))
        throw new Error(
          `The script's request begins with ${JSON.stringify(word.slice(0, 40))} instead of a count.`,
        );
      awaited = Number(word);
    } else words.push(word);
    if (words.length < awaited) return;
    const request = words;
    words = [];
    awaited = undefined;
    onRequest(request);
  };

  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(0, start); end >= 0; end = chunk.indexOf(0, start)) {
      const word = Buffer.concat([...unfinished, chunk.subarray(start, end)]).toString('utf8');
      unfinished = [];
      start = end + 1;
      take(word);
    }
    if (start < chunk.length) unfinished.push(chunk.subarray(start));
  };
}

/**
 * When the container runs out of memory, the kernel should kill the task and not the stager, which
 * can then still save rc and logs and report what happened. The task's processes inherit the score;
 * raising it needs no privilege.
 */
function offerToOomKiller(pid: number | undefined): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
  } catch {
    // Without /proc the kernel chooses by size, which is usually the task too.
  }
}

/** Starts `shell script logs` in its own process group, in the stager's working folder. */
export function runShell(
  shell: string,
  script: string,
  logs: string,
  env: NodeJS.ProcessEnv,
  answer: Answer,
): RunningShell {
  const child = spawn(shell, [script, logs], {
    env,
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'],
    detached: true,
  });
  offerToOomKiller(child.pid);
  const requests = child.stdio[3] as Readable;
  const answers = child.stdio[4] as Writable;
  // The shell may be killed while it gets an answer. Its exit code shows that.
  answers.on('error', () => undefined);
  requests.on('error', () => undefined);

  const signal = (name: 'SIGTERM' | 'SIGKILL'): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch {
      // The process group no longer exists.
    }
  };
  const read = readRequests(
    (words) => void answer(words).then((ok) => answers.write(ok ? 'ok\n' : 'no\n')),
  );
  requests.on('data', (chunk: Buffer) => {
    try {
      read(chunk);
    } catch {
      signal('SIGKILL');
    }
  });

  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, name) =>
      resolve(code ?? 128 + (name === null ? 0 : (signalNumbers[name] ?? 0))),
    );
  });
  return { pid: child.pid, ended, signal };
}
