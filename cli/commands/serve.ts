/** What every command does that runs a service. */
import { once } from 'node:events';
import { exitCodes, type ExitCode } from '../errors.ts';
import { printLine, type Terminal } from '../output/terminal.ts';

interface Service {
  url: string;
  close(): Promise<void>;
}

/** Says where it is, in the words that cli/stack/programs.ts waits for, and serves until a signal comes. */
export async function serve(
  service: Service,
  title: string,
  { err, interrupted }: Terminal,
): Promise<ExitCode> {
  printLine(err, `${title} is ready at ${service.url}`);
  if (!interrupted.aborted) await once(interrupted, 'abort');
  await service.close();
  return exitCodes.ok;
}
