/**
 * A service's standard error holds one JSON object per line and nothing else: what Node and libraries
 * print there becomes lines of the log, and so does the error that ends the process.
 */
import { currentLogLevel, setLogLevel, type Log } from './log.ts';

/** @param exit ends the process */
export function catchOtherOutput(log: Log, exit: (code: number) => void): void {
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message, stack }) =>
    log.warn({ event: 'node-warning', warning: name, message, stack }, 'node-warning'),
  );
  for (const name of ['log', 'info', 'debug', 'warn', 'error', 'trace'] as const)
    console[name] = (...given: unknown[]) =>
      log.warn({ event: 'printed', text: given.map(String).join(' ') }, 'printed');
  const crash = (err: unknown): void => {
    log.fatal({ event: 'crashed', err }, 'crashed');
    exit(1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
}

/** SIGUSR2 turns debug lines on, and off again. */
export function followLevelSignal(log: Log): void {
  process.on('SIGUSR2', () => {
    const level = currentLogLevel() === 'debug' ? undefined : 'debug';
    setLogLevel(level);
    log.info({ event: 'log-level', to: currentLogLevel() }, 'log-level');
  });
}
