/** `status`: a task, a scatter, or the latest of both; once, or again and again. */
import { setTimeout as pause } from 'node:timers/promises';
import { Writable } from 'node:stream';
import { createLogUpdate } from 'log-update';
import type { Client, ScatterReply, TesState, TesTaskFull } from '../../packages/client/client.ts';
import { hasEnded } from '../../packages/client/client.ts';
import { tesStates } from '../../core/task/tes-state.ts';
import { WrongUse } from '../errors.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { parseSince } from '../output/when.ts';
import { printJson, printJsonLine, printLine, type Terminal } from '../output/terminal.ts';
import type { CommandContext } from './context.ts';
import {
  connect,
  isScatterId,
  readTags,
  wholeNumber,
  withConnection,
  type ConnectionOptions,
} from './connection.ts';
import { showFailures, showScatters, showTasks } from './lists.ts';
import { readFailures } from './printed.ts';
import { exitOfScatter, exitOfTask, showScatter, showTask } from './views.ts';

/** TES 1.1: page_size is below 2048. */
const LARGEST_PAGE = 2047;
const WATCH_EVERY_MS = 2000;
/** Each needs a request of its own for its counts. */
const SCATTERS_BESIDE_TASKS = 5;

interface StatusOptions extends ConnectionOptions {
  limit: number;
  tasks?: true;
  scatters?: true;
  state?: string[];
  tag?: string[];
  name?: string;
  since?: string;
  watch?: true;
}

export function addStatusCommand({ program, terminal, act }: CommandContext): void {
  withConnection(
    program
      .command('status')
      .argument('[id]', 'id of a task or a scatter')
      .summary('show a task or a scatter, or list the latest')
      .description(
        'show a task or a scatter; without an id, list the latest scatters and tasks, and why tasks failed',
      )
      .option('--tasks', 'for a scatter, also list its tasks')
      .option('--scatters', 'list scatters only')
      .option(
        '--state <state...>',
        `only tasks in these states: ${tesStates.join(', ')}; or failed, waiting, running, ended`,
      )
      .option(
        '--tag <key=value...>',
        'only tasks with all of these tags; a key alone matches any value',
      )
      .option('--name <prefix>', 'only tasks and scatters whose name begins with this')
      .option('--since <time>', 'only what was submitted since: 30m, 2h, 3d ago, or a local time')
      .option(
        '--limit <number>',
        'number of latest tasks to list',
        wholeNumber(1, LARGEST_PAGE),
        20,
      )
      .option('-w, --watch', 'show it again every two seconds, until it has ended or Ctrl-C')
      .addHelpText(
        'after',
        `
Examples:
  batchwell status --state failed --since 2h    what failed in the last two hours
  batchwell status --tag run=44 --watch         the tasks with a tag, as they go
  batchwell status SCATTER --tasks              one scatter and all of its tasks`,
      )
      .action(act((id: string | undefined, options: StatusOptions) => run(id, options, terminal))),
  );
}

/** What is shown, and whether it can still change. */
interface Seen {
  code: ExitCode;
  isFinal: boolean;
  json: unknown;
  show(terminal: Terminal): void;
}

async function run(
  id: string | undefined,
  options: StatusOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  checkUse(id, options);
  const client = connect(options, terminal, options.watch === true);
  const look = (): Promise<Seen> =>
    id === undefined
      ? lookAtLists(client, options)
      : isScatterId(id)
        ? lookAtScatter(client, id, options)
        : lookAtTask(client, id);
  if (options.watch) return watch(look, options, terminal);
  const seen = await look();
  if (options.json) printJson(terminal, seen.json);
  else seen.show(terminal);
  return seen.code;
}

function checkUse(id: string | undefined, options: StatusOptions): void {
  const filters = (['state', 'tag', 'name', 'since', 'scatters'] as const).filter(
    (name) => options[name] !== undefined,
  );
  const isListing = id === undefined || (isScatterId(id) && options.tasks === true);
  if (!isListing && filters.length > 0)
    throw new WrongUse(
      `--${filters.join(', --')} ${filters.length === 1 ? 'applies' : 'apply'} to lists. ` +
        'Leave out the id, or add --tasks to the id of a scatter.',
    );
  if (options.scatters && (options.state ?? options.tag) !== undefined)
    throw new WrongUse('--state and --tag apply to tasks. Leave them out with --scatters.');
}

async function watch(
  look: () => Promise<Seen>,
  { json }: StatusOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const update = createLogUpdate(terminal.out, {
    defaultWidth: terminal.columns,
    showCursor: true,
  });
  let shown = '';
  for (;;) {
    const seen = await look();
    const text = json ? JSON.stringify(seen.json) : textOf(seen, terminal);
    if (json && text !== shown) printJsonLine(terminal, seen.json);
    else if (!json && terminal.outIsLive) update(text);
    else if (!json && text !== shown) printLine(terminal.out, `${text}\n`);
    shown = text;
    if (seen.isFinal) return seen.code;
    try {
      await pause(WATCH_EVERY_MS, undefined, { signal: terminal.interrupted });
    } catch {
      // Ctrl-C is how one stops watching.
      return seen.code;
    }
  }
}

function textOf(seen: Seen, terminal: Terminal): string {
  const parts: string[] = [];
  const out = new Writable({
    decodeStrings: false,
    write(text: string, _encoding, done) {
      parts.push(text);
      done();
    },
  });
  seen.show({ ...terminal, out });
  return parts.join('').trimEnd();
}

async function lookAtTask(client: Client, id: string): Promise<Seen> {
  const task = await client.get(id, { view: 'FULL' });
  return {
    code: exitOfTask(task),
    isFinal: hasEnded(task.state),
    json: task,
    show: (terminal) => showTask(task, terminal),
  };
}

async function lookAtScatter(client: Client, id: string, options: StatusOptions): Promise<Seen> {
  const scatter = await client.scatter(id);
  const tasks = options.tasks
    ? (
        await Array.fromAsync(
          client.scatterTasks(id, { view: 'BASIC', page_size: LARGEST_PAGE, ...filterOf(options) }),
        )
      ).filter(isWanted(options))
    : undefined;
  const failed =
    scatter.places.failed > 0 ? await readFailures(client, { scatter: id }) : undefined;
  return {
    code: exitOfScatter(scatter),
    isFinal: scatter.ended,
    json: tasks === undefined ? scatter : { ...scatter, tasks },
    show(terminal) {
      showScatter(scatter, terminal);
      if (failed) showFailures(failed, terminal);
      if (tasks === undefined) return;
      printLine(terminal.out);
      showTasks(tasks, terminal);
    },
  };
}

async function lookAtLists(client: Client, options: StatusOptions): Promise<Seen> {
  const withScatters = options.scatters || (options.state ?? options.tag) === undefined;
  const [scatters, tasks] = await Promise.all([
    withScatters ? readScatters(client, options) : [],
    options.scatters ? [] : readTasks(client, options),
  ]);
  const hasFailed = tasks.some(({ state }) => FAILED.includes(state));
  const failed =
    hasFailed && options.tag === undefined && options.name === undefined
      ? await readFailures(client, { hours: hoursSince(options, tasks) })
      : undefined;
  return {
    code: exitCodes.ok,
    isFinal: false,
    json: options.scatters ? scatters : tasks,
    show(terminal) {
      if (scatters.length > 0) showScatters(scatters, terminal);
      if (scatters.length > 0 && tasks.length > 0) printLine(terminal.out);
      if (tasks.length > 0) showTasks(tasks, terminal);
      if (failed) showFailures(failed, terminal);
      if (scatters.length + tasks.length === 0) printLine(terminal.err, nothingFound(options));
    },
  };
}

const nothingFound = (options: StatusOptions): string =>
  (options.state ?? options.tag ?? options.name ?? options.since)
    ? 'Nothing matches these filters.'
    : 'No task has been submitted yet.';

const FAILED: readonly TesState[] = ['EXECUTOR_ERROR', 'SYSTEM_ERROR'];
const STATE_GROUPS: Readonly<Record<string, readonly TesState[]>> = {
  FAILED,
  WAITING: ['QUEUED'],
  ENDED: ['COMPLETE', 'CANCELED', ...FAILED],
  DONE: ['COMPLETE'],
  CANCELLED: ['CANCELED'],
};

function statesOf({ state: given }: StatusOptions): TesState[] | undefined {
  if (given === undefined) return undefined;
  return given
    .flatMap((one) => one.split(','))
    .flatMap((one): readonly TesState[] => {
      const name = one.trim().toUpperCase().replaceAll('-', '_');
      const known = tesStates.find((state) => state === name);
      const states = STATE_GROUPS[name] ?? (known && [known]);
      if (!states)
        throw new WrongUse(
          `--state ${one}: expected one or more of ${tesStates.join(', ')}, or failed, waiting, running, ended.`,
        );
      return states;
    });
}

const HOUR_MS = 3_600_000;
const MOST_HOURS = 720;

/** The failures of the time that the list shows. */
function hoursSince(options: StatusOptions, tasks: readonly TesTaskFull[]): number {
  const oldest = sinceMs(options) ?? Date.parse(tasks.at(-1)?.creation_time ?? '');
  const hours = Math.ceil((Date.now() - oldest) / HOUR_MS);
  return Number.isNaN(hours) ? 24 : Math.min(MOST_HOURS, Math.max(1, hours));
}

function sinceMs({ since }: StatusOptions): number | undefined {
  if (since === undefined) return undefined;
  const ms = parseSince(since, Date.now());
  if (ms === undefined)
    throw new WrongUse(
      `--since ${since}: expected a time ago such as 30m, 2h or 3d, or a time such as 2026-11-29T18:00.`,
    );
  return ms;
}

const filterOf = ({ tag, name }: StatusOptions) => ({
  ...(name !== undefined && { name_prefix: name }),
  ...(tag !== undefined && { tags: readTags(tag) }),
});

/** For lists that the service does not filter by these. */
function isWanted(options: StatusOptions): (task: TesTaskFull) => boolean {
  const [states, from] = [statesOf(options), sinceMs(options)];
  const { name } = options;
  const tags = Object.entries(readTags(options.tag ?? []));
  return (task) =>
    (states === undefined || states.includes(task.state)) &&
    (name === undefined || (task.name ?? '').startsWith(name)) &&
    tags.every(([key, value]) => {
      const has = task.tags?.[key];
      return has !== undefined && (value === '' || has === value);
    }) &&
    (from === undefined || Date.parse(task.creation_time ?? '') >= from);
}

async function readTasks(client: Client, options: StatusOptions): Promise<TesTaskFull[]> {
  const states = statesOf(options);
  const lists = await Promise.all(
    (states ?? [undefined]).map((state) => readLatest(client, options, state)),
  );
  if (lists.length === 1) return lists[0] ?? [];
  return lists
    .flat()
    .toSorted(
      (one, other) => Date.parse(other.creation_time ?? '') - Date.parse(one.creation_time ?? ''),
    )
    .slice(0, options.limit);
}

/** The service lists the newest first, so the first older one ends the reading. */
async function readLatest(
  client: Client,
  options: StatusOptions,
  state: TesState | undefined,
): Promise<TesTaskFull[]> {
  const from = sinceMs(options);
  const { tasks } = await client.list({
    view: 'BASIC',
    page_size: options.limit,
    ...filterOf(options),
    ...(state && { state }),
  });
  return tasks.filter(
    ({ creation_time }) => from === undefined || Date.parse(creation_time ?? '') >= from,
  );
}

async function readScatters(client: Client, options: StatusOptions): Promise<ScatterReply[]> {
  const from = sinceMs(options);
  const most = options.scatters ? options.limit : SCATTERS_BESIDE_TASKS;
  const ids: string[] = [];
  for await (const { id, name, created } of client.listScatters()) {
    if (from !== undefined && Date.parse(created) < from) break;
    if (options.name !== undefined && !name.startsWith(options.name)) continue;
    ids.push(id);
    if (ids.length >= most) break;
  }
  return Promise.all(ids.map((id) => client.scatter(id)));
}
