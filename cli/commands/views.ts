/** Tasks and scatters as tables, and the exit codes for them. */
import { finalLog, type ScatterReply, type TesTaskFull } from '../../packages/client/client.ts';
import { places } from '../../core/places.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { printableLines } from '../output/printable.ts';
import { formatDuration, formatFacts, formatGib, formatTable, GIB } from '../output/table.ts';
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
  for (const line of latest?.system_logs ?? []) printLine(terminal.out, printableLines(line));
}

/**
 * What Batchwell adds to TES, where the API returns it: the place, and whether the outputs came
 * from the cache.
 */
const placeOf = (task: TesTaskFull): (readonly [string, string | undefined])[] => {
  const metadata = finalLog(task)?.metadata ?? {};
  return [
    ...Object.entries(metadata).filter(([name, value]) => value !== '' && !USED.has(name)),
    ...usedFacts(task, metadata),
  ];
};

const USED: ReadonlySet<string> = new Set([
  'wall_seconds',
  'cpu_seconds',
  'peak_memory_bytes',
  'read_bytes',
  'written_bytes',
]);

/** What it used beside what it asked for. */
function usedFacts(
  { resources }: TesTaskFull,
  metadata: Readonly<Record<string, string>>,
): (readonly [string, string])[] {
  const of = (name: string): number | undefined =>
    metadata[name] === undefined ? undefined : Number(metadata[name]);
  const [wall, cpu] = [of('wall_seconds'), of('cpu_seconds')];
  const [memory, read, written] = [of('peak_memory_bytes'), of('read_bytes'), of('written_bytes')];
  const asked = resources?.ram_gb === undefined ? '' : ` of ${formatGib(resources.ram_gb * GIB)}`;
  const cores = resources?.cpu_cores ?? 1;
  return [
    ...(memory === undefined ? [] : [['memory used', `${formatGib(memory)}${asked}`] as const]),
    ...(cpu === undefined || wall === undefined
      ? []
      : [
          [
            'CPU used',
            `${formatDuration(cpu * 1000)} in ${formatDuration(wall * 1000)} on ${cores} vCPU`,
          ] as const,
        ]),
    ...(read === undefined || written === undefined
      ? []
      : [['read, wrote', `${formatGib(read)}, ${formatGib(written)}`] as const]),
  ];
}

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

/** `owner-limit` as a person says it. */
const waitsFor = (kind: string): string => kind.replaceAll('-', ' ');

export function showScatter(scatter: ScatterReply, terminal: Terminal): void {
  printLine(
    terminal.out,
    formatFacts(
      [
        ['scatter', scatter.id],
        ['name', scatter.name],
        ['tasks', scatter.size],
        ['cache hits', scatter.cache_hits],
        ...Object.entries(scatter.waiting ?? {}).map(
          ([kind, count]) => ['waiting', `${count} for ${waitsFor(kind)}`] as const,
        ),
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
