/** What a task printed, after its end: its stdout, and the end of its stderr if it failed. */
import {
  BatchwellError,
  finalLog,
  type Client,
  type FailureList,
  type TesTaskFull,
} from '../../packages/client/client.ts';
import { exitCodes } from '../exit-codes.ts';
import { printable, printableLines } from '../output/printable.ts';
import { printLine, type Terminal } from '../output/terminal.ts';
import { exitOfTask } from './views.ts';

const STDERR_LINES = 20;
/** Enough for as many long lines. */
const STDERR_BYTES = 16 * 1024;

/** The service says 404 for what a task did not print, and where it does not know the question. */
async function ifAny<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof BatchwellError && error.status === 404) return undefined;
    throw error;
  }
}

/** stdout goes to `out` as it is; what concerns the failure goes to `err`. */
export async function printResult(
  client: Client,
  task: TesTaskFull,
  terminal: Terminal,
): Promise<void> {
  await printStdout(client, task, terminal);
  if (exitOfTask(task) === exitCodes.ok) {
    for (const { url } of finalLog(task)?.outputs ?? [])
      printLine(terminal.err, `wrote ${printable(url)}`);
    return;
  }
  for (const line of finalLog(task)?.system_logs ?? [])
    printLine(terminal.err, printableLines(line));
  await printEndOfStderr(client, task, terminal);
}

async function printStdout(
  client: Client,
  { id, executors = [] }: TesTaskFull,
  { out, outIsLive }: Terminal,
): Promise<void> {
  let last = '';
  for (const executor of executors.keys()) {
    const text = await ifAny(client.logs(id, { stream: 'stdout', executor }));
    if (text === undefined || text === '') continue;
    out.write(text);
    last = text;
  }
  if (last !== '' && !last.endsWith('\n') && outIsLive) printLine(out);
}

/** Of the last executor that ran: it is the one that failed. */
async function printEndOfStderr(
  client: Client,
  task: TesTaskFull,
  { err }: Terminal,
): Promise<void> {
  const ran = finalLog(task)?.logs ?? [];
  const executor = Math.max(
    0,
    ran.findLastIndex(({ exit_code: code }) => code !== undefined && code !== 0),
  );
  const text = await ifAny(
    client.logs(task.id, { stream: 'stderr', executor, tailBytes: STDERR_BYTES }),
  );
  const lines = (text ?? '').trimEnd().split('\n');
  if (lines.length === 1 && lines[0] === '') return;
  printLine(err, lines.length > STDERR_LINES ? 'The end of its stderr:' : 'Its stderr:');
  for (const line of lines.slice(-STDERR_LINES)) printLine(err, `  ${line}`);
  const which = executor === 0 ? '' : ` --executor ${executor}`;
  if (lines.length > STDERR_LINES)
    printLine(err, `All of it: batchwell logs ${task.id} --stderr${which}`);
}

/** Why tasks of a scatter failed; undefined from a service that does not group them. */
export const readFailures = (
  client: Client,
  of: { scatter: string } | { hours: number },
): Promise<FailureList | undefined> => ifAny(client.failures(of));
