/** `version`: of this program, and of the service that it calls. */
import { BatchwellError } from '../../packages/client/client.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { formatFacts } from '../output/table.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import { ownVersion } from '../own-version.ts';
import type { CommandContext } from './context.ts';
import { connect, withConnection, type ConnectionOptions } from './connection.ts';

export function addVersionCommand({ program, terminal, act }: CommandContext): void {
  withConnection(
    program
      .command('version')
      .summary('print the versions of this program and of the service')
      .description(
        'print the versions of this program, of its Node, and of the service that it calls',
      )
      .action(act((options: ConnectionOptions) => printVersions(options, terminal))),
  );
}

async function printVersions(options: ConnectionOptions, terminal: Terminal): Promise<ExitCode> {
  const client = connect(options, terminal);
  const service = await client.serviceInfo().catch((error: unknown) => {
    if (error instanceof BatchwellError) return undefined;
    throw error;
  });
  if (options.json)
    printJson(terminal, {
      version: ownVersion,
      node: process.version,
      url: client.url,
      service: service?.version ?? null,
    });
  else
    printLine(
      terminal.out,
      formatFacts(
        [
          ['batchwell', ownVersion],
          ['node', process.version],
          ['service', service ? `${service.version} at ${client.url}` : `none at ${client.url}`],
        ],
        terminal,
      ),
    );
  return exitCodes.ok;
}
