/** Runs a service in this process until a signal comes. */
import { once } from 'node:events';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { reportError } from '../errors.ts';
import { printLine, type Terminal } from '../output/terminal.ts';

interface Service {
  url: string;
  close(): Promise<void>;
  /** Resolves with the reason when the service must not go on. */
  lost?: Promise<Error>;
}

/**
 * Prints the URL in the words that cli/stack/programs.ts waits for.
 * @throws the reason for which the service must not go on
 */
export async function serve(
  service: Service,
  title: string,
  terminal: Terminal,
): Promise<ExitCode> {
  const { interrupted } = terminal;
  tell(
    terminal,
    { level: INFO, event: 'ready', url: service.url },
    `${title} is ready at ${service.url}`,
  );
  const lost = interrupted.aborted
    ? undefined
    : await Promise.race([
        once(interrupted, 'abort').then(() => undefined),
        ...(service.lost ? [service.lost] : []),
      ]);
  await service.close();
  if (lost) throw lost;
  return exitCodes.ok;
}

const INFO = 30;
const FATAL = 60;

/** To a person at a terminal in words, and else as a line of the service's log. */
function tell(
  { err, errIsLive }: Terminal,
  fields: { level: number; event: string } & Record<string, unknown>,
  msg: string,
): void {
  printLine(err, errIsLive ? msg : JSON.stringify({ ...fields, time: Date.now(), msg }));
}

/**
 * Runs a service whose standard error is its log: one JSON object per line, also for the error that
 * keeps it from starting.
 */
export async function asService(
  terminal: Terminal,
  start: () => Promise<ExitCode>,
): Promise<ExitCode> {
  if (terminal.errIsLive) return start();
  try {
    return await start();
  } catch (error) {
    if (terminal.interrupted.aborted) throw error;
    const { code, lines } = reportError(error);
    tell(terminal, { level: FATAL, event: 'not-started' }, lines.join('\n'));
    return code;
  }
}

/** What else this process prints becomes lines of its log, and SIGUSR2 turns debug lines on and off. */
export async function logEverything(name: string, level: string): Promise<void> {
  const [{ createLog }, { catchOtherOutput, followLevelSignal }] = await Promise.all([
    import('../../telemetry/log.ts'),
    import('../../telemetry/one-line-each.ts'),
  ]);
  const log = createLog({ level, name });
  catchOtherOutput(log, (code) => process.exit(code));
  followLevelSignal(log);
}
