/** Runs a service in this process until a signal comes. */
import { once } from 'node:events';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
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
  { err, interrupted }: Terminal,
): Promise<ExitCode> {
  printLine(err, `${title} is ready at ${service.url}`);
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
