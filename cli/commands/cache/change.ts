/** `cache invalidate` and `cache prune`: a dry run, unless --yes is given. */
import type { CacheChanged } from '../../../packages/client/client.ts';
import { WrongUse } from '../../errors.ts';
import { exitCodes, type ExitCode } from '../../exit-codes.ts';
import { formatCount, formatTable } from '../../output/table.ts';
import { printJson, printLine, type Terminal } from '../../output/terminal.ts';
import { connect, type ConnectionOptions } from '../connection.ts';

interface InvalidateOptions extends ConnectionOptions {
  reason: string;
  name?: string;
  outputPrefix?: string;
  yes?: true;
}

export async function invalidate(
  tasks: readonly string[],
  options: InvalidateOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const { reason, name, outputPrefix } = options;
  const given = [tasks.length > 0, name !== undefined, outputPrefix !== undefined];
  if (given.filter(Boolean).length !== 1)
    throw new WrongUse('Give exactly one of: ids of tasks, --name, --output-prefix.');
  const changed = await connect(options, terminal).invalidateCache({
    reason,
    ...(tasks.length > 0 && { tasks: [...tasks] }),
    ...(name !== undefined && { name }),
    ...(outputPrefix !== undefined && { output_prefix: outputPrefix }),
    dry_run: options.yes !== true,
  });
  return report(changed, 'invalidated', options, terminal);
}

interface PruneOptions extends ConnectionOptions {
  unusedDays?: number;
  unusable?: true;
  yes?: true;
}

export async function prune(options: PruneOptions, terminal: Terminal): Promise<ExitCode> {
  const { unusedDays, unusable } = options;
  if (unusedDays === undefined && !unusable)
    throw new WrongUse('Give --unused-days, --unusable, or both.');
  const changed = await connect(options, terminal).pruneCache({
    ...(unusedDays !== undefined && { unused_days: unusedDays }),
    ...(unusable && { unusable: true }),
    dry_run: options.yes !== true,
  });
  return report(changed, 'deleted', options, terminal);
}

function report(
  changed: CacheChanged,
  done: string,
  { json }: ConnectionOptions,
  terminal: Terminal,
): ExitCode {
  if (json) {
    printJson(terminal, changed);
    return exitCodes.ok;
  }
  const { entries, dry_run: isDryRun, examples } = changed;
  if (isDryRun && examples.length > 0) {
    printLine(
      terminal.out,
      formatTable(
        [
          { heading: 'TASK', value: ({ task }) => task },
          { heading: 'NAME', value: ({ name }) => name },
        ],
        examples,
      ),
    );
  }
  const count = `${formatCount(entries)} ${entries === 1 ? 'entry' : 'entries'}`;
  printLine(
    terminal.out,
    isDryRun ? `${count} would be ${done}. Add --yes to do it.` : `${count} ${done}.`,
  );
  return exitCodes.ok;
}
