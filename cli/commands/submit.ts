/** `submit` and `scatter`: submit tasks, and wait until they have ended. */
import type { Command } from 'commander';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type {
  CacheMode,
  Client,
  ScatterAccepted,
  ScatterReply,
  ScatterRequest,
  TesTask,
  Validation,
} from '../../packages/client/client.ts';
import { cacheModes } from '../../core/task/task.ts';
import { WrongUse } from '../errors.ts';
import type { ExitCode } from '../exit-codes.ts';
import type { CommandContext } from './context.ts';
import { printable } from '../output/printable.ts';
import { formatFacts } from '../output/table.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import { waitForScatter, waitForTask } from '../wait-for-end.ts';
import { connect, withConnection, type ConnectionOptions } from './connection.ts';
import { showFailures } from './lists.ts';
import { printResult, readFailures } from './printed.ts';
import { exitOfScatter, exitOfTask, showScatter } from './views.ts';

interface SubmitOptions extends ConnectionOptions {
  wait?: true;
  dryRun?: true;
}

interface ScatterOptions extends SubmitOptions {
  ndjson?: true;
  name?: string;
  cache?: string;
}

export function addSubmitCommands(context: CommandContext): void {
  addSubmitCommand(context);
  addScatterCommand(context);
}

function addSubmitCommand({ program, terminal, act }: CommandContext): void {
  const submitCommand: Command = program
    .command('submit')
    .argument('<file>', 'a GA4GH TES 1.1 task as JSON; - reads stdin')
    .description('submit one task')
    .option(
      '--wait',
      'wait until the task has ended, and print what it printed; exit with 1 if it failed',
    )
    .option('--dry-run', 'submit nothing; print how it would run, and whether it would be a hit')
    .addHelpText(
      'after',
      `
Example of a task without inputs:
  echo '{"executors": [{"image": "debian:stable-slim", "command": ["echo", "hello"]}]}' |
    batchwell submit - --wait`,
    )
    .action(act((file: string, options: SubmitOptions) => submit(file, options, terminal)));
  withConnection(submitCommand);
}

function addScatterCommand({ program, terminal, act }: CommandContext): void {
  const scatterCommand: Command = program
    .command('scatter')
    .argument(
      '<file>',
      'JSON with a template and rows, or .ndjson with one task per line; - reads stdin',
    )
    .description('submit many tasks at once')
    .option(
      '--wait',
      'wait until all tasks have ended, with live counts; exit with 1 if one failed',
    )
    .option('--ndjson', 'read one task per line, whatever the name of the file')
    .option('--name <name>', 'name of the scatter (.ndjson only; a JSON scatter has its own)')
    .option(
      '--cache <mode>',
      `call cache mode of the tasks: ${cacheModes.join(', ')} ` +
        '(.ndjson only; a JSON scatter has its own)',
    )
    .addHelpText(
      'after',
      `
Example of a JSON scatter; {{column}} in any text of the template is replaced by the row's value:
  {
    "name": "count lines",
    "cache": "readwrite",
    "template": {
      "inputs": [{"url": "s3://data/{{sample}}.txt", "path": "/in/text"}],
      "outputs": [{"url": "s3://data/{{sample}}.count", "path": "/out/count"}],
      "executors": [{
        "image": "debian:stable-slim", "command": ["wc", "-l", "/in/text"], "stdout": "/out/count"
      }]
    },
    "rows": [{"sample": "a"}, {"sample": "b"}]
  }
Either all rows are accepted or none. If any row is not valid, all such rows are listed.`,
    )
    .action(act((file: string, options: ScatterOptions) => scatter(file, options, terminal)));
  withConnection(scatterCommand);
}

async function submit(file: string, options: SubmitOptions, terminal: Terminal): Promise<ExitCode> {
  const task = await readJsonFile(file, terminal);
  const client = connect(options, terminal);
  if (options.dryRun) return showDryRun(await client.validate(task as TesTask), options, terminal);
  const { id } = await client.submit(task as TesTask);
  if (options.wait === undefined) {
    if (options.json) printJson(terminal, { id });
    else printLine(terminal.out, id);
    return 0;
  }
  const ended = await waitForTask(client, id, terminal);
  if (options.json) printJson(terminal, ended);
  else await printResult(client, ended, terminal);
  return exitOfTask(ended);
}

function showDryRun(
  validation: Validation,
  { json }: ConnectionOptions,
  terminal: Terminal,
): ExitCode {
  if (json) printJson(terminal, validation);
  else {
    const { warnings, queue, client, cache } = validation;
    const facts = [
      ['queue', queue],
      ['client', client],
      ...warnings.map((warning) => ['warning', warning] as const),
    ] as const;
    printLine(terminal.out, formatFacts(facts, terminal));
    for (const line of cache.explanation) printLine(terminal.out, printable(line));
  }
  return 0;
}

async function scatter(
  file: string,
  options: ScatterOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const isLines = options.ndjson === true || file.endsWith('.ndjson') || file.endsWith('.jsonl');
  if (!isLines && (options.name !== undefined || options.cache !== undefined)) {
    throw new WrongUse(
      '--name and --cache apply to .ndjson only. Set "name" and "cache" in the JSON scatter instead.',
    );
  }
  const client = connect(options, terminal);
  const accepted = isLines
    ? await submitLines(client, file, options, terminal)
    : await client.submitScatter((await readJsonFile(file, terminal)) as ScatterRequest);
  const { id, tasks, equal_rows: equal } = accepted;
  if (equal > 0)
    printLine(
      terminal.err,
      `${equal} of ${tasks} rows do the same as an earlier row. Each of them runs on its own.`,
    );
  if (options.wait === undefined) {
    if (options.json) printJson(terminal, accepted);
    else printLine(terminal.out, id);
    return 0;
  }
  const ended = await waitForScatter(client, id, terminal);
  if (options.json) printJson(terminal, ended);
  else await showEnded(client, ended, terminal);
  return exitOfScatter(ended);
}

const submitLines = async (
  client: Client,
  file: string,
  { name, cache }: ScatterOptions,
  terminal: Terminal,
): Promise<ScatterAccepted> =>
  client.submitLines(Readable.toWeb(await openInput(file, terminal)), {
    name,
    cache: cache as CacheMode,
  });

async function showEnded(client: Client, ended: ScatterReply, terminal: Terminal): Promise<void> {
  showScatter(ended, terminal);
  if (ended.places.failed === 0) return;
  const failed = await readFailures(client, { scatter: ended.id });
  if (failed) showFailures(failed, terminal);
}

async function openInput(file: string, terminal: Terminal): Promise<Readable> {
  if (file === '-') return terminal.input;
  try {
    const handle = await open(file);
    return createReadStream(file, { fd: handle });
  } catch (cause) {
    throw new WrongUse(`${file} cannot be read: ${(cause as Error).message}.`);
  }
}

async function readJsonFile(file: string, terminal: Terminal): Promise<unknown> {
  const name = file === '-' ? 'stdin' : file;
  const given = await text(await openInput(file, terminal)).catch((cause: unknown) => {
    throw new WrongUse(`${name} cannot be read: ${(cause as Error).message}.`);
  });
  try {
    return JSON.parse(given) as unknown;
  } catch (cause) {
    throw new WrongUse(`${name} is not valid JSON: ${(cause as Error).message}.`);
  }
}
