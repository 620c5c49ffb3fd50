/** Programs of the host, each with a deadline. */
import { spawn } from 'node:child_process';

export interface Ran {
  code: number | null;
  out: string;
  /** Its last words, or why it was ended. */
  said: string;
}

export interface RunOptions {
  deadlineMs?: number;
  /** Descriptor that the program must hold too: the lock. */
  lockFd?: number | undefined;
}

const DEADLINE_MS = 60_000;
const MOST_BYTES = 1_048_576;

/** Never rejects: a program that is missing has the code null. */
export function run(
  program: string,
  args: readonly string[],
  { deadlineMs = DEADLINE_MS, lockFd }: RunOptions = {},
): Promise<Ran> {
  return new Promise((resolve) => {
    // It holds the lock: after a SIGKILL of the daemon, the next one waits until LVM has ended.
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe', ...(lockFd === undefined ? [] : [lockFd])],
      env: { ...process.env, LC_ALL: 'C', LVM_SUPPRESS_FD_WARNINGS: '1' },
    });
    let out = '';
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      if (out.length < MOST_BYTES) out += String(chunk);
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      if (said.length < MOST_BYTES) said += String(chunk);
    });
    let isLate = false;
    const late = (): void => {
      isLate = true;
      child.kill('SIGKILL');
      // One that waits for a device in the kernel does not end by a signal.
      end(null);
    };
    const timer = setTimeout(late, deadlineMs);
    const end = (code: number | null): void => {
      clearTimeout(timer);
      const reason = isLate ? `did not end in ${deadlineMs / 1000} s` : said.trim();
      resolve({ code, out, said: `${program} ${args[0] ?? ''}: ${reason}`.slice(0, 500) });
    };
    child.once('error', (error) => {
      said = error.message;
      end(null);
    });
    child.once('close', end);
  });
}
