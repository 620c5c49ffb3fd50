/** `events`: follows tasks as they change. */
import type { BatchwellEvent, TaskEvent } from '../../packages/client/client.ts';
import { WrongUse } from '../errors.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import type { CommandContext } from './context.ts';
import { printable } from '../output/printable.ts';
import { printLine, type Terminal } from '../output/terminal.ts';
import { describeCounts } from '../output/scatter-counts.ts';
import {
  connect,
  isScatterId,
  readTags,
  withConnection,
  type ConnectionOptions,
} from './connection.ts';

interface EventOptions extends ConnectionOptions {
  tag?: string[];
}

export function addEventCommands({ program, terminal, act }: CommandContext): void {
  withConnection(
    program
      .command('events')
      .argument(
        '[id]',
        'id of a task or a scatter; without it, all tasks are followed until Ctrl-C',
      )
      .description('follow tasks as they change')
      .option(
        '--tag <key=value...>',
        'only tasks with all of these tags; a key alone matches any value',
      )
      .action(
        act((id: string | undefined, options: EventOptions) => follow(id, options, terminal)),
      ),
  );
}

async function follow(
  id: string | undefined,
  options: EventOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  for await (const event of connect(options, terminal).events(subjectOf(id, options), {
    signal: terminal.interrupted,
  })) {
    if (options.json) printLine(terminal.out, JSON.stringify(event));
    else if (event.event === 'missed') printLine(terminal.err, printable(event.data.message));
    else printLine(terminal.out, printable(describe(event)));
  }
  return exitCodes.ok;
}

function subjectOf(
  id: string | undefined,
  { tag = [] }: EventOptions,
): { task: string } | { scatter: string } | { tags: Record<string, string> } {
  if (id !== undefined && tag.length > 0)
    throw new WrongUse('Give either an id or --tag, not both.');
  if (id !== undefined) return isScatterId(id) ? { scatter: id } : { task: id };
  return { tags: readTags(tag) };
}

function describe(event: BatchwellEvent & { event: 'task' | 'scatter' }): string {
  if (event.event === 'scatter') return `${event.data.id}  ${describeCounts(event.data)}`;
  return [
    event.data.since,
    event.data.task,
    event.data.state,
    event.data.name,
    ...reasonsOf(event.data),
  ]
    .filter((text) => text !== '')
    .join('  ');
}

function reasonsOf({ cache_hit: hit, attempt, failure }: TaskEvent): string[] {
  return [
    ...(hit ? ['cache hit'] : []),
    ...(attempt > 1 ? [`attempt ${attempt}`] : []),
    ...(failure ? [failure.message] : []),
  ];
}
