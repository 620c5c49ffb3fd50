/** `cache explain`: why a task was, or was not, a cache hit. */
import type { Writable } from 'node:stream';
import { exitCodes, type ExitCode } from '../errors.ts';
import type { CacheExplanation } from '../../packages/client/client.ts';
import type { CommandParts } from '../command-line.ts';
import { formatFacts, formatTable } from '../output/table.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import { connect, withConnection, type ConnectionOptions } from './connection.ts';

export function addCacheCommands({ program, terminal, act }: CommandParts): void {
  const cache = program.command('cache').description('questions about the call cache');
  withConnection(
    cache
      .command('explain <task> [other]')
      .description(
        'why a task was a hit or a miss, part by part; with another task, in what the two differ',
      )
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
      [
        'entry of',
        entry &&
          `${entry.task}${entry.valid ? '' : `, no longer usable: ${entry.invalid_reason ?? 'no reason is known'}`}`,
      ],
      ...unreadable.map((url) => ['unreadable', url] as const),
    ]),
  );
  if (differences === undefined) showParts(Object.entries(components), out);
  else showDifferences(differences, out);
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
    printLine(out, 'The two do not differ in anything that decides a hit.');
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
