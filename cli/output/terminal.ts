/** What a command sees of the outside: handed in, so that a test gives its own. */
import type { Readable, Writable } from 'node:stream';

export interface Terminal {
  input: Readable;
  /** Results, and nothing else: what a script reads. */
  out: Writable;
  /** Progress, advice and errors. */
  err: Writable;
  /** Whether `err` shows a line that is written again and again. */
  errIsLive: boolean;
  environment: Readonly<Record<string, string | undefined>>;
  /** Aborted by Ctrl-C, SIGTERM or SIGHUP. */
  interrupted: AbortSignal;
}

export const printLine = (stream: Writable, line = ''): void => {
  stream.write(`${line}\n`);
};

export const printJson = (terminal: Terminal, value: unknown): void =>
  printLine(terminal.out, JSON.stringify(value, null, 2));

/** One of many, as they come. */
export const printJsonLine = (terminal: Terminal, value: unknown): void =>
  printLine(terminal.out, JSON.stringify(value));

/** The real terminal. A second Ctrl-C ends the process at once, whatever still has to be taken down. */
export function processTerminal(): Terminal {
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (interruption.signal.aborted && signal === 'SIGINT') process.exit(130);
      interruption.abort(signal);
    });
  }
  // `batchwell status | head`: nobody reads on, as when SIGPIPE ends a program. What a stack has started ends with us.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  return {
    input: process.stdin,
    out: process.stdout,
    err: process.stderr,
    errIsLive: process.stderr.isTTY === true,
    environment: process.env,
    interrupted: interruption.signal,
  };
}
