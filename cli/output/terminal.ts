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
  /** The same for `out`. */
  outIsLive: boolean;
  /** Width in cells. */
  columns: number;
  /** Whether `out` shows colours. */
  colour: boolean;
  /** Whether `err` shows colours. */
  errColour: boolean;
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

/** For a command that works on the servers of the local stack: the AWS SDK reads the environment. */
export function adoptEnvironment(variables: Readonly<Record<string, string>>): void {
  Object.assign(process.env, variables);
}

const DEFAULT_COLUMNS = 80;
const FEWEST_COLUMNS = 40;

/** COLUMNS, else the terminal's own width; 80 where the output is not a terminal. */
function columnsOf(
  { COLUMNS: given }: Readonly<Record<string, string | undefined>>,
  stream: Partial<Pick<NodeJS.WriteStream, 'columns'>>,
): number {
  const columns =
    given !== undefined && /^[1-9]\d{0,3}$/.test(given) ? Number(given) : stream.columns;
  return Math.max(FEWEST_COLUMNS, columns ?? DEFAULT_COLUMNS);
}

/** NO_COLOR (no-color.org) wins, then FORCE_COLOR; otherwise a terminal that is not dumb has colours. */
export function showsColour(
  environment: Readonly<Record<string, string | undefined>>,
  { isTTY }: { isTTY?: boolean },
): boolean {
  if (environment['NO_COLOR']) return false;
  const forced = environment['FORCE_COLOR'];
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  return isTTY === true && environment['TERM'] !== 'dumb';
}

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
    errIsLive: process.stderr.isTTY === true && process.env['TERM'] !== 'dumb',
    outIsLive: process.stdout.isTTY === true && process.env['TERM'] !== 'dumb',
    columns: columnsOf(process.env, process.stdout.isTTY ? process.stdout : process.stderr),
    colour: showsColour(process.env, process.stdout),
    errColour: showsColour(process.env, process.stderr),
    environment: process.env,
    interrupted: interruption.signal,
  };
}
