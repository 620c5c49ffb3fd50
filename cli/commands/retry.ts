/** `retry`: failed tasks once more. */
import type { CommandContext } from './context.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { WrongUse } from '../errors.ts';
import { formatCount } from '../output/table.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import { connect, isScatterId, withConnection, type ConnectionOptions } from './connection.ts';

interface RetryOptions extends ConnectionOptions {
  reason?: string[];
}

export function addRetryCommand({ program, terminal, act }: CommandContext): void {
  withConnection(
    program
      .command('retry')
      .summary('retry failed tasks, as new tasks')
      .argument('<id>', 'id of a scatter, or of a task that failed or was cancelled')
      .description(
        'retry the failed tasks of a scatter as a new scatter, or one task as a new task; print ' +
          'the new id',
      )
      .option(
        '--reason <code...>',
        'only tasks of the scatter that failed for these reasons, such as image-unavailable',
      )
      .addHelpText(
        'after',
        `
\`batchwell status ID\` shows the reasons. Tasks that succeeded are not run again.`,
      )
      .action(act((id: string, options: RetryOptions) => retry(id, options, terminal))),
  );
}

async function retry(id: string, options: RetryOptions, terminal: Terminal): Promise<ExitCode> {
  const client = connect(options, terminal);
  if (!isScatterId(id)) {
    if (options.reason)
      throw new WrongUse('--reason: expected the id of a scatter, not of a task.');
    const made = await client.retryTask(id);
    tell(terminal, options, made, `${id} is retried as ${made.id}.`);
    return exitCodes.ok;
  }
  const groups = options.reason && (await groupsOf(client, id, options.reason));
  const made = await client.retryScatter(id, { groups });
  const tasks = `${formatCount(made.tasks)} failed ${made.tasks === 1 ? 'task' : 'tasks'}`;
  const are = made.tasks === 1 ? 'is' : 'are';
  tell(terminal, options, made, `${tasks} of ${id} ${are} retried as ${made.id}.`);
  return exitCodes.ok;
}

/** The id alone is the result, so that a script can go on with it. */
function tell(
  terminal: Terminal,
  { json }: ConnectionOptions,
  made: { id: string },
  sentence: string,
): void {
  if (json) return printJson(terminal, made);
  printLine(terminal.out, made.id);
  printLine(terminal.err, sentence);
}

async function groupsOf(
  client: ReturnType<typeof connect>,
  id: string,
  codes: readonly string[],
): Promise<string[]> {
  const { groups } = await client.failures({ scatter: id });
  const there = [...new Set(groups.map(({ code }) => code))];
  const unknown = codes.filter((code) => !there.includes(code));
  if (unknown.length > 0)
    throw new WrongUse(
      `--reason: no task of ${id} failed with ${unknown.join(', ')}. ` +
        (there.length > 0 ? `There are: ${there.join(', ')}.` : 'No task of it has failed.'),
    );
  return groups.filter(({ code }) => codes.includes(code)).map(({ key }) => key);
}
