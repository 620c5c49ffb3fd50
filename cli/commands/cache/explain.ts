/** `cache explain` and `cache diff`. */
import type { Writable } from 'node:stream';
import type { CacheExplanation } from '../../../packages/client/client.ts';
import { exitCodes, type ExitCode } from '../../exit-codes.ts';
import { printable } from '../../output/printable.ts';
import { formatTable } from '../../output/table.ts';
import { printJson, printLine, type Terminal } from '../../output/terminal.ts';
import { connect, isScatterId, type ConnectionOptions } from '../connection.ts';

interface Explain {
  id: string;
  other: string | undefined;
  options: ConnectionOptions & { parts?: true };
  terminal: Terminal;
}

export async function explain({ id, other, options, terminal }: Explain): Promise<ExitCode> {
  const client = connect(options, terminal);
  if (isScatterId(id)) {
    const explained = await client.explainScatterCache(id);
    if (options.json) printJson(terminal, explained);
    else printLines(explained.explanation, terminal.out);
    return exitCodes.ok;
  }
  const explanation = await client.explainCache(id, { other });
  if (options.json) printJson(terminal, explanation);
  else showExplanation(explanation, options.parts === true, terminal.out);
  return exitCodes.ok;
}

const printLines = (lines: readonly string[], out: Writable): void => {
  for (const line of lines) printLine(out, printable(line));
};

function showExplanation(
  {
    explanation,
    verdict,
    entry,
    unreadable_inputs,
    components = {},
    differences,
  }: CacheExplanation,
  withParts: boolean,
  out: Writable,
): void {
  if (differences) {
    showDifferences(differences, out);
    return;
  }
  printLines(explanation, out);
  printLines([`If it were checked now: ${verdict}`], out);
  printLines(
    unreadable_inputs.map((url) => `  not identified: ${url}`),
    out,
  );
  if (entry && !entry.valid)
    printLines([`  entry of ${entry.task}: ${entry.invalid_reason ?? 'no longer usable'}`], out);
  if (!withParts) return;
  printLine(out);
  const columns = [
    { heading: 'PART', value: ([name]: readonly [string, string]) => name },
    { heading: 'DIGEST', value: ([, digest]: readonly [string, string]) => digest },
  ];
  printLine(out, formatTable(columns, Object.entries(components)));
}

function showDifferences(
  differences: NonNullable<CacheExplanation['differences']>,
  out: Writable,
): void {
  if (differences.length === 0)
    printLine(out, 'The two tasks do not differ in anything that decides a cache hit.');
  printLines(
    differences.map(({ says }) => says),
    out,
  );
}

interface Diff {
  a: string;
  b: string;
  options: ConnectionOptions & { cromwell?: true };
  terminal: Terminal;
}

export async function diff({ a, b, options, terminal }: Diff): Promise<ExitCode> {
  const client = connect(options, terminal);
  if (options.cromwell) {
    printJson(terminal, await client.cromwellDiff(a, b));
    return exitCodes.ok;
  }
  const { differences = [] } = await client.explainCache(a, { other: b });
  if (options.json) printJson(terminal, differences);
  else showDifferences(differences, terminal.out);
  return exitCodes.ok;
}
