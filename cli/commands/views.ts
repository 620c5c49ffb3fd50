/** Tasks and scatters as tables, and the exit codes for them. */
import { finalLog, type ScatterReply, type TesTaskFull } from '../../packages/client/client.ts';
import { places } from '../../core/places.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { formatFacts, formatTable } from '../output/table.ts';
import { printLine, type Terminal } from '../output/terminal.ts';
import { formatLocalTime } from '../output/when.ts';
import { shorten } from './lists.ts';

/** A task that is still running is not a failure. */
export const exitOfTask = (task: Pick<TesTaskFull, 'state'>): ExitCode =>
  ['EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED'].includes(task.state)
    ? exitCodes.failed
    : exitCodes.ok;

export const exitOfScatter = (scatter: Pick<ScatterReply, 'places'>): ExitCode =>
  (scatter.places.failed ?? 0) + (scatter.places.cancelled ?? 0) > 0
    ? exitCodes.failed
    : exitCodes.ok;

export function showTask(task: TesTaskFull, terminal: Terminal): void {
  const latest = finalLog(task);
  printLine(
    terminal.out,
    formatFacts(
      [
        ['task', task.id],
        ['name', task.name],
        ['state', task.state],
        ...placeOf(task),
        ['created', formatLocalTime(task.creation_time)],
        ['started', formatLocalTime(latest?.start_time)],
        ['ended', formatLocalTime(latest?.end_time)],
        ...Object.entries(task.tags ?? {}).map(
          ([name, value]) => ['tag', `${name}=${value}`] as const,
        ),
      ],
      terminal,
    ),
  );
  showExecutors(task, terminal);
  showOutputs(task, terminal);
  for (const line of latest?.system_logs ?? []) printLine(terminal.out, line);
}

/**
 * What Batchwell adds to TES, where the API returns it: the place, and whether the outputs came
 * from the cache.
 */
const placeOf = (task: TesTaskFull): (readonly [string, string | undefined])[] => {
  const metadata = finalLog(task)?.metadata ?? {};
  return Object.entries(metadata).filter(([, value]) => value !== '');
};

function showExecutors(task: TesTaskFull, terminal: Terminal): void {
  const executors = (task.executors ?? []).map((executor, at) => ({
    at,
    executor,
    log: finalLog(task)?.logs?.[at],
  }));
  if (executors.length === 0) return;
  printLine(terminal.out);
  printLine(
    terminal.out,
    formatTable(
      [
        { heading: 'EXECUTOR', value: ({ at }) => at },
        { heading: 'EXIT', value: ({ log }) => log?.exit_code },
        { heading: 'IMAGE', value: ({ executor }) => executor.image },
        { heading: 'COMMAND', value: ({ executor }) => shorten(executor.command.join(' '), 60) },
      ],
      executors,
      terminal,
    ),
  );
}

function showOutputs(task: TesTaskFull, terminal: Terminal): void {
  const outputs = finalLog(task)?.outputs ?? [];
  if (outputs.length === 0) return;
  printLine(terminal.out);
  printLine(
    terminal.out,
    formatTable(
      [
        {
          heading: 'BYTES',
          value: (output) =>
            output.size_bytes === undefined ? undefined : Number(output.size_bytes),
        },
        { heading: 'OUTPUT', value: (output) => output.url },
      ],
      outputs,
      terminal,
    ),
  );
}

export function showScatter(scatter: ScatterReply, terminal: Terminal): void {
  printLine(
    terminal.out,
    formatFacts(
      [
        ['scatter', scatter.id],
        ['name', scatter.name],
        ['tasks', scatter.size],
        ['cache hits', scatter.cache_hits],
        ['ended', scatter.ended ? 'yes' : 'no'],
      ],
      terminal,
    ),
  );
  const held = places.flatMap((place) =>
    scatter.places[place] ? [{ place, count: scatter.places[place] }] : [],
  );
  if (held.length === 0) return;
  printLine(terminal.out);
  printLine(
    terminal.out,
    formatTable(
      [
        { heading: 'PLACE', value: ({ place }) => place },
        { heading: 'TASKS', value: ({ count }) => count },
      ],
      held,
      terminal,
    ),
  );
}
