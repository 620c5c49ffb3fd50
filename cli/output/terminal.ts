/**
 * This folder is what a command prints, and where. The streams and the environment are passed in,
 * so that a test can replace them.
 */
import type { Readable, Writable } from 'node:stream';

export interface Terminal {
  input: Readable;
  /** Results only: what a script reads. */
  out: Writable;
  /** Progress, advice and errors. */
  err: Writable;
  /** Whether a line on `err` can be replaced, as on a terminal. */
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

/** One JSON value per line, for output that arrives over time. */
export const printJsonLine = (terminal: Terminal, value: unknown): void =>
  printLine(terminal.out, JSON.stringify(value));

/**
 * The real terminal. A second Ctrl-C ends the process at once, even while services are being
 * stopped.
 */
export function processTerminal(): Terminal {
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (interruption.signal.aborted && signal === 'SIGINT') process.exit(130);
      interruption.abort(signal);
    });
  }
  // In `batchwell status | head`, the reader closes the pipe; exit as SIGPIPE would. Child
  // processes end with this one.
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
