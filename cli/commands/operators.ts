/** `stages`, `pause`, `resume`, `workers`, `drain`, and `messages`: what operators do with a fleet. */
import type { LaidAsideMessage, StageStatus, WorkerStatus } from '../../packages/client/client.ts';
import { stages } from '../../core/places.ts';
import { WrongUse } from '../errors.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import type { Paint } from '../output/paint.ts';
import { formatCount, formatTable, type Column } from '../output/table.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import { between, formatAge } from '../output/when.ts';
import type { CommandContext } from './context.ts';
import { connect, withConnection, type ConnectionOptions } from './connection.ts';

const isStage = (name: string): boolean => stages.some((stage) => stage === name);
const STAGES = stages.join(', ');
const ADMIN = 'Needs a token of scope admin.';

export function addOperatorCommands(context: CommandContext): void {
  addStageCommands(context);
  addWorkerCommands(context);
  addMessageCommands(context);
}

function addStageCommands({ program, terminal, act }: CommandContext): void {
  withConnection(
    program
      .command('stages')
      .summary('list the stages: what is there, and who works on it')
      .description('list the five stages with their tasks, messages and workers')
      .action(act((options: ConnectionOptions) => listStages(options, terminal))),
  );
  withConnection(
    program
      .command('pause')
      .argument('<stage>', `one of ${STAGES}`)
      .summary('pause a stage')
      .description(
        `pause a stage: no worker takes its messages, and those in progress are finished. ${ADMIN}`,
      )
      .action(act((stage: string, options: ConnectionOptions) => pause(stage, options, terminal))),
  );
  withConnection(
    program
      .command('resume')
      .argument('<stage-or-worker>', 'a stage, or the id of a worker from `batchwell workers`')
      .summary('resume a paused stage, or a drained worker')
      .description(`resume a paused stage, or let a drained worker take messages again. ${ADMIN}`)
      .action(act((what: string, options: ConnectionOptions) => resume(what, options, terminal))),
  );
}

function addWorkerCommands({ program, terminal, act }: CommandContext): void {
  withConnection(
    program
      .command('workers')
      .summary('list the workers of the fleet')
      .description(`list the worker processes of the fleet, oldest first. ${ADMIN}`)
      .action(act((options: ConnectionOptions) => listWorkers(options, terminal))),
  );
  withConnection(
    program
      .command('drain')
      .argument('<worker>', 'id of a worker, from `batchwell workers`')
      .summary('drain a worker')
      .description(
        `drain a worker: it takes no new messages, and finishes those that it has. ${ADMIN}`,
      )
      .action(act((id: string, options: ConnectionOptions) => drain(id, options, terminal))),
  );
}

function addMessageCommands({ program, terminal, act }: CommandContext): void {
  const messages = program
    .command('messages')
    .summary('list and retry messages that were laid aside')
    .description(
      `list and retry messages that failed too many times and were laid aside. ${ADMIN}`,
    );
  withConnection(
    messages
      .command('list', { isDefault: true })
      .description('list messages that were laid aside, latest first')
      .action(act((options: ConnectionOptions) => listMessages(options, terminal))),
  );
  withConnection(
    messages
      .command('retry')
      .argument('<stage>', `one of ${STAGES}`)
      .argument('[ids...]', 'ids of messages (default: all of the stage)')
      .description('retry messages of a stage that were laid aside')
      .action(
        act((stage: string, ids: string[], options: ConnectionOptions) =>
          retryMessages({ stage, ids }, options, terminal),
        ),
      ),
  );
}

function requireStage(name: string): void {
  if (!isStage(name)) throw new WrongUse(`${name} is not a stage; expected one of ${STAGES}.`);
}

const warned = (isBad: boolean): Paint | undefined => (isBad ? 'yellow' : undefined);

const STAGE_COLUMNS: Column<StageStatus>[] = [
  { heading: 'STAGE', value: ({ stage }) => stage },
  {
    heading: 'STATE',
    value: ({ paused, workers }) => (paused ? 'paused' : workers === 0 ? 'no worker' : 'working'),
    paint: ({ paused, workers }) => warned(paused || workers === 0),
  },
  { heading: 'TASKS', value: ({ tasks }) => formatCount(tasks) },
  {
    heading: 'OLDEST',
    value: ({ tasks, oldest_seconds: oldest }) =>
      tasks === 0 ? undefined : formatAge(oldest * 1000),
  },
  { heading: 'MESSAGES', value: ({ messages }) => formatCount(messages) },
  {
    heading: 'LAID ASIDE',
    value: ({ laid_aside: aside }) => formatCount(aside),
    paint: ({ laid_aside: aside }) => warned(aside > 0),
  },
  { heading: 'WORKERS', value: ({ workers }) => workers },
  { heading: 'BUSY', value: ({ active, concurrency }) => `${active}/${concurrency}` },
];

async function listStages(options: ConnectionOptions, terminal: Terminal): Promise<ExitCode> {
  const overview = await connect(options, terminal).overview();
  if (options.json) printJson(terminal, overview.stages);
  else printLine(terminal.out, formatTable(STAGE_COLUMNS, overview.stages, terminal));
  return exitCodes.ok;
}

async function pause(
  stage: string,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  requireStage(stage);
  await connect(options, terminal).pauseStage(stage);
  return done(terminal, options, { paused: stage }, [
    `The stage ${stage} is paused. Messages in progress are finished, and its tasks wait.`,
    `Resume it with: batchwell resume ${stage}`,
  ]);
}

async function resume(
  what: string,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const client = connect(options, terminal);
  await (isStage(what) ? client.resumeStage(what) : client.resumeWorker(what));
  return done(terminal, options, { resumed: what }, [
    isStage(what)
      ? `The stage ${what} is resumed.`
      : `The worker ${what} takes messages again within seconds.`,
  ]);
}

async function drain(
  id: string,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  await connect(options, terminal).drainWorker(id);
  return done(terminal, options, { draining: id }, [
    `The worker ${id} takes no new messages and finishes those that it has.`,
    '`batchwell workers` shows it as drained then. Stop it, or go on with: ' +
      `batchwell resume ${id}`,
  ]);
}

function done(
  terminal: Terminal,
  { json }: ConnectionOptions,
  result: object,
  lines: readonly string[],
): ExitCode {
  if (json) printJson(terminal, result);
  else for (const line of lines) printLine(terminal.err, line);
  return exitCodes.ok;
}

/** All five, or their names, with how many messages it works on and can work on. */
const stagesOf = ({ stages: own }: WorkerStatus): string =>
  own.length === stages.length ? 'all' : own.map(({ stage }) => stage).join(' ');

const sumOf = ({ stages: own }: WorkerStatus, name: 'active' | 'concurrency'): number =>
  own.reduce((sum, share) => sum + share[name], 0);

const workerColumns = (nowMs: number): Column<WorkerStatus>[] => [
  { heading: 'WORKER', value: ({ id }) => id },
  {
    heading: 'STATE',
    value: ({ state }) => state,
    paint: ({ state }) => (state === 'silent' ? 'red' : warned(state !== 'working')),
  },
  { heading: 'AGE', value: ({ started }) => formatAge(between(started, undefined, nowMs)) },
  { heading: 'STAGES', value: stagesOf },
  {
    heading: 'BUSY',
    value: (worker) => `${sumOf(worker, 'active')}/${sumOf(worker, 'concurrency')}`,
  },
  { heading: 'VERSION', value: ({ version }) => version },
];

async function listWorkers(options: ConnectionOptions, terminal: Terminal): Promise<ExitCode> {
  const workers = await connect(options, terminal).listWorkers();
  if (options.json) printJson(terminal, workers);
  else if (workers.length === 0)
    printLine(terminal.err, 'No worker has been heard of within the last hour.');
  else printLine(terminal.out, formatTable(workerColumns(Date.now()), workers, terminal));
  return exitCodes.ok;
}

const messageColumns = (nowMs: number): Column<LaidAsideMessage>[] => [
  { heading: 'STAGE', value: ({ stage }) => stage },
  { heading: 'ID', value: ({ id }) => id },
  { heading: 'AGE', value: ({ failed }) => formatAge(between(failed, undefined, nowMs)) },
  { heading: 'TRIES', value: ({ tries }) => tries },
  { heading: 'OF', value: subjectOf },
  { heading: 'ERROR', value: ({ error }) => error },
];

function subjectOf({ tasks, task_ids: ids, subject }: LaidAsideMessage): string {
  if (tasks === 0) return subject ?? '';
  const [first = ''] = ids;
  return tasks === 1 ? first : `${first} and ${formatCount(tasks - 1)} more`;
}

async function listMessages(options: ConnectionOptions, terminal: Terminal): Promise<ExitCode> {
  const messages = await connect(options, terminal).laidAside();
  if (options.json) printJson(terminal, messages);
  else if (messages.length === 0) printLine(terminal.err, 'No message is laid aside.');
  else printLine(terminal.out, formatTable(messageColumns(Date.now()), messages, terminal));
  return exitCodes.ok;
}

async function retryMessages(
  { stage, ids }: { stage: string; ids: readonly string[] },
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  requireStage(stage);
  const retried = await connect(options, terminal).retryMessages({
    stage,
    ...(ids.length > 0 && { ids }),
  });
  const left = ids.length - retried;
  return done(terminal, options, { retried }, [
    `${formatCount(retried)} ${retried === 1 ? 'message' : 'messages'} of ${stage} ${retried === 1 ? 'is' : 'are'} taken again.` +
      (left > 0
        ? ` ${formatCount(left)} of the ids ${left === 1 ? 'is' : 'are'} not laid aside.`
        : ''),
  ]);
}
