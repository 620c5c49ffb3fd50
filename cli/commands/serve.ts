/** Runs a service in this process until a signal comes. */
import { once } from 'node:events';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { printLine, type Terminal } from '../output/terminal.ts';

interface Service {
  url: string;
  close(): Promise<void>;
}

/** Prints the URL in the words that cli/stack/programs.ts waits for. */
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
