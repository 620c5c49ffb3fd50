/** `logs`, `script`, `timeline` and `cancel`: inspect tasks, and cancel them. */
import { once } from 'node:events';
import type { LogLine } from '../../packages/client/client.ts';
import { logMark } from '../../core/container/live-log.ts';
import { WrongUse } from '../errors.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import type { CommandContext } from './context.ts';
import { printJson, printJsonLine, printLine, type Terminal } from '../output/terminal.ts';
import { formatDuration, formatTable } from '../output/table.ts';
import {
  connect,
  isScatterId,
  wholeNumber,
  withConnection,
  type ConnectionOptions,
} from './connection.ts';
import { exitOfTask } from './views.ts';

interface LogOptions extends ConnectionOptions {
  follow?: true;
  stderr?: true;
  executor: number;
}

export function addTaskCommands({ program, terminal, act }: CommandContext): void {
  withConnection(
    program
      .command('logs')
      .argument('<task>', 'id of the task')
      .summary('print what a task prints')
      .description(
        'print the end of the task’s stdout (up to 1 MiB); while it runs, what has arrived so far',
      )
      .option('-f, --follow', 'print new output until the task has ended; exit with 1 if it failed')
      .option('--stderr', 'print stderr instead of stdout')
      .option(
        '--executor <number>',
        'executor of the task, counted from 0',
        wholeNumber(0, 1000),
        0,
      )
      .action(
        act((id: string, options: LogOptions) =>
          options.follow ? followLog(id, options, terminal) : logs(id, options, terminal),
        ),
      ),
  );
  withConnection(
    program
      .command('script')
      .argument('<task>', 'id of the task')
      .description('print the exact shell script that a task runs')
      .action(act((id: string, options: ConnectionOptions) => script(id, options, terminal))),
  );
  withConnection(
    program
      .command('timeline')
      .argument('<task>', 'id of the task')
      .description('show how the time of a task was spent')
      .action(act((id: string, options: ConnectionOptions) => timeline(id, options, terminal))),
  );
  withConnection(
    program
      .command('cancel')
      .argument('<id>', 'id of a task or a scatter')
      .summary('cancel a task or a scatter')
      .description('cancel a task, or all tasks of a scatter that have not ended')
      .action(act((id: string, options: ConnectionOptions) => cancel(id, options, terminal))),
  );
}

async function logs(id: string, options: LogOptions, terminal: Terminal): Promise<ExitCode> {
  needTask(id, 'logs');
  const stream = options.stderr ? 'stderr' : 'stdout';
  const text = await connect(options, terminal).logs(id, { stream, executor: options.executor });
  if (options.json) printJson(terminal, { id, stream, executor: options.executor, text });
  else terminal.out.write(text);
  return exitCodes.ok;
}

async function followLog(id: string, options: LogOptions, terminal: Terminal): Promise<ExitCode> {
  needTask(id, 'logs');
  const client = connect(options, terminal);
  // Fails at once if the id is wrong or the service cannot be reached.
  await client.get(id);
  const wanted = {
    stream: options.stderr ? ('stderr' as const) : ('stdout' as const),
    executor: options.executor,
    signal: terminal.interrupted,
  };
  for await (const line of connect(options, terminal, true).followLog(id, wanted)) {
    if (options.json) printJsonLine(terminal, line);
    else await printLogLine(line, terminal);
  }
  const { state } = await client.get(id);
  printLine(terminal.err, `${id} · ${state}`);
  return exitOfTask({ state });
}

/** Prints exactly what the task printed; marks of Batchwell go to stderr. */
async function printLogLine(line: LogLine, { out, err, interrupted }: Terminal): Promise<void> {
  const mark = logMark({
    attempt: line.attempt,
    began: line.began,
    skippedBytes: line.skipped_bytes,
  });
  if (mark !== undefined) printLine(err, mark);
  // A slow pipe slows down the reading instead of filling the memory.
  if (line.text !== undefined && !out.write(line.text))
    await once(out, 'drain', { signal: interrupted });
}

async function script(
  id: string,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  needTask(id, 'script');
  const text = await connect(options, terminal).script(id);
  if (options.json) printJson(terminal, { id, script: text });
  else terminal.out.write(text);
  return exitCodes.ok;
}

async function timeline(
  id: string,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  needTask(id, 'timeline');
  const found = await connect(options, terminal).timeline(id);
  if (options.json) printJson(terminal, found);
  else
    printLine(
      terminal.out,
      formatTable(
        [
          { heading: 'SPAN', value: ({ what }) => what },
          { heading: 'ATTEMPT', value: ({ attempt }) => attempt },
          { heading: 'FROM', value: ({ from }) => from },
          {
            heading: 'TOOK',
            value: ({ to, ms }) => `${formatDuration(ms)}${to === undefined ? ' so far' : ''}`,
          },
        ],
        found.spans,
        terminal,
      ),
    );
  return exitCodes.ok;
}

async function cancel(
  id: string,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const client = connect(options, terminal);
  if (isScatterId(id)) {
    const { cancelled } = await client.cancelMany({ scatter: id });
    if (options.json) printJson(terminal, { id, cancelled });
    else
      printLine(
        terminal.out,
        cancelled === 0
          ? `Nothing to cancel: all tasks of ${id} had already ended.`
          : `${cancelled} ${cancelled === 1 ? 'task' : 'tasks'} of ${id} cancelled.`,
      );
    return exitCodes.ok;
  }
  await client.cancel(id);
  // TES gives the same reply whether there was something to cancel or not.
  const { state } = await client.get(id, { view: 'FULL' });
  if (options.json) printJson(terminal, { id, state });
  else
    printLine(
      terminal.out,
      state === 'CANCELED' ? `${id} is cancelled.` : `${id} had already ended: ${state}.`,
    );
  return exitCodes.ok;
}

function needTask(id: string, command: string): void {
  if (isScatterId(id))
    throw new WrongUse(
      `\`batchwell ${command}\` takes the id of a task, but ${id} is a scatter. ` +
        `Run \`batchwell status ${id} --tasks\` to list its tasks.`,
    );
}
