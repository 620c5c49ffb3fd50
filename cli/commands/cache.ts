/** `cache explain`: why a task was a cache hit or a cache miss. */
import type { Writable } from 'node:stream';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import type { CacheExplanation } from '../../packages/client/client.ts';
import type { CommandContext } from './context.ts';
import { formatFacts, formatTable } from '../output/table.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import { connect, withConnection, type ConnectionOptions } from './connection.ts';

export function addCacheCommands({ program, terminal, act }: CommandContext): void {
  const cache = program.command('cache').description('explain the call cache');
  withConnection(
    cache
      .command('explain')
      .argument('<task>', 'id of the task')
      .argument('[other]', 'id of another task, to show how the two differ')
      .description('explain why a task was a cache hit or a miss')
      .action(
        act((id: string, other: string | undefined, options: ConnectionOptions) =>
          explain(id, other, options, terminal),
        ),
      ),
  );
}

async function explain(
  id: string,
  other: string | undefined,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const explanation = await connect(options, terminal).explainCache(id, { other });
  if (options.json) printJson(terminal, explanation);
  else show(id, explanation, terminal);
  return exitCodes.ok;
}

function show(
  id: string,
  {
    verdict,
    fingerprint,
    entry,
    unreadable_inputs: unreadable,
    components = {},
    differences,
  }: CacheExplanation,
  { out }: Terminal,
): void {
  printLine(
    out,
    formatFacts([
      ['task', id],
      ['verdict', verdict],
      ['fingerprint', fingerprint],
      ['entry of', entry && describeEntry(entry)],
      ...unreadable.map((url) => ['unreadable', url] as const),
    ]),
  );
  if (differences === undefined) showParts(Object.entries(components), out);
  else showDifferences(differences, out);
}

function describeEntry(entry: NonNullable<CacheExplanation['entry']>): string {
  if (entry.valid) return entry.task;
  return `${entry.task}, no longer usable: ${entry.invalid_reason ?? 'the reason is unknown'}`;
}

function showParts(components: readonly (readonly [string, string])[], out: Writable): void {
  if (components.length === 0) return;
  printLine(out);
  printLine(
    out,
    formatTable(
      [
        { heading: 'PART', value: ([name]) => name },
        { heading: 'DIGEST', value: ([, digest]) => digest },
      ],
      components,
    ),
  );
}

function showDifferences(
  differences: NonNullable<CacheExplanation['differences']>,
  out: Writable,
): void {
  printLine(out);
  if (differences.length === 0)
    printLine(out, 'The two tasks do not differ in anything that decides a cache hit.');
  else
    printLine(
      out,
      formatTable(
        [
          { heading: 'DIFFERS IN', value: ({ part }) => part },
          { heading: 'THIS TASK', value: ({ here }) => here ?? '-' },
          { heading: 'THE OTHER', value: ({ there }) => there ?? '-' },
        ],
        differences,
      ),
    );
}
