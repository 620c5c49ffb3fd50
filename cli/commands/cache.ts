/** `cache explain`: why a task was, or was not, a cache hit. */
import { exitCodes, type ExitCode } from '../exit.ts';
import type { CacheExplanation } from '../client.ts';
import type { CommandParts } from '../run.ts';
import { formatFacts, formatTable } from '../table.ts';
import { printJson, printLine, type Terminal } from '../terminal.ts';
import { connect, withConnection, type ConnectionOptions } from './connection.ts';

export function addCacheCommands({ program, terminal, act }: CommandParts): void {
  const cache = program.command('cache').description('questions about the call cache');
  withConnection(
    cache
      .command('explain <task> [other]')
      .description('why a task was a hit or a miss, part by part; with another task, in what the two differ')
      .action(act((id: string, other: string | undefined, options: ConnectionOptions) => explain(id, other, options, terminal))),
  );
}

async function explain(id: string, other: string | undefined, options: ConnectionOptions, terminal: Terminal): Promise<ExitCode> {
  const explanation = await connect(options, terminal).explainCache(id, other);
  if (options.json) printJson(terminal, explanation);
  else show(id, explanation, terminal);
  return exitCodes.ok;
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function show(id: string, explanation: CacheExplanation, terminal: Terminal): void {
  printLine(terminal.out, formatFacts([
    ['task', id],
    ['verdict', explanation.verdict],
    ['fingerprint', explanation.fingerprint ?? undefined],
    ['entry', explanation.entry === undefined || explanation.entry === null ? undefined : asText(explanation.entry)],
  ]));
  const components = Object.entries(explanation.components);
  if (components.length > 0) {
    printLine(terminal.out);
    printLine(terminal.out, formatTable([
      { heading: 'PART', value: ([name]) => name },
      { heading: 'DIGEST', value: ([, digest]) => digest },
    ], components));
  }
  const differences = Array.isArray(explanation.differences) ? (explanation.differences as unknown[]) : [];
  if (explanation.differences === undefined) return;
  printLine(terminal.out);
  if (differences.length === 0) printLine(terminal.out, 'The two do not differ in anything that decides a hit.');
  for (const difference of differences) printLine(terminal.out, `differs: ${asText(difference)}`);
}
