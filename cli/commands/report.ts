/** `report`: one HTML file about a scatter. */
import { writeFile } from 'node:fs/promises';
import { BatchwellError } from '../../packages/client/client.ts';
import { readConfig } from '../../config.ts';
import { openPrices } from '../../price-file.ts';
import { WrongUse } from '../errors.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { gatherFacts } from '../report/facts.ts';
import { formatReport } from '../report/page.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import type { CommandContext } from './context.ts';
import { connect, isScatterId, withConnection, type ConnectionOptions } from './connection.ts';
import { readFailures } from './printed.ts';

interface ReportOptions extends ConnectionOptions {
  output?: string;
}

/** TES 1.1: page_size is below 2048. */
const LARGEST_PAGE = 2047;

export function addReportCommand({ program, terminal, act }: CommandContext): void {
  withConnection(
    program
      .command('report')
      .argument('<scatter>', 'id of the scatter')
      .summary('write an HTML file about a scatter')
      .description(
        'write one HTML file about a scatter, which needs nothing else: a time line of all tasks, ' +
          'failures by reason, the slowest tasks, the call cache, and the estimated cost',
      )
      .option('-o, --output <file>', 'file to write (default: the id and .html); - is stdout')
      .addHelpText(
        'after',
        `
Prices are the built-in ones, or those of BATCHWELL_PRICE_FILE (docs/metrics.md).`,
      )
      .action(act((id: string, options: ReportOptions) => report(id, options, terminal))),
  );
}

async function report(id: string, options: ReportOptions, terminal: Terminal): Promise<ExitCode> {
  if (!isScatterId(id))
    throw new WrongUse(`\`batchwell report\` takes the id of a scatter, but got ${id}.`);
  const config = readConfig(terminal.environment);
  const client = connect(options, terminal);
  const [prices, scatter] = await Promise.all([openPrices(config), client.scatter(id)]);
  const [tasks, failures, cache] = await Promise.all([
    Array.fromAsync(client.scatterTasks(id, { view: 'BASIC', page_size: LARGEST_PAGE })),
    readFailures(client, { scatter: id }),
    client.explainScatterCache(id).catch((error: unknown) => {
      if (error instanceof BatchwellError && error.status === 404) return undefined;
      throw error;
    }),
  ]);
  const facts = gatherFacts({
    scatter,
    tasks,
    failures,
    cache,
    prices,
    spotQueue: config.spotQueue,
    nowMs: Date.now(),
  });
  if (options.json) {
    printJson(terminal, facts);
    return exitCodes.ok;
  }
  const page = formatReport(facts);
  const file = options.output ?? `${id}.html`;
  if (file === '-') terminal.out.write(page);
  else {
    await writeFile(file, page).catch((cause: Error) => {
      throw new WrongUse(`${file} cannot be written: ${cause.message}.`);
    });
    printLine(terminal.err, `Wrote ${file}. Open it in a browser.`);
  }
  return exitCodes.ok;
}
