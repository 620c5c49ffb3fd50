/** Lists of tasks and scatters, and failures by reason, as tables. */
import {
  finalLog,
  hasEnded,
  type FailureList,
  type ScatterReply,
  type TesTaskFull,
} from '../../packages/client/client.ts';
import { paint, paintOfState } from '../output/paint.ts';
import { describeCounts } from '../output/scatter-counts.ts';
import { printable } from '../output/printable.ts';
import { formatDuration, formatTable, type Column } from '../output/table.ts';
import { between, formatAge, formatShortTime } from '../output/when.ts';
import { printLine, type Terminal } from '../output/terminal.ts';

const LONGEST_NAME = 200;

export const shorten = (text: string, longest: number): string =>
  text.length > longest ? `${text.slice(0, longest - 1)}…` : text;

export function showTasks(tasks: readonly TesTaskFull[], terminal: Terminal): void {
  const nowMs = Date.now();
  const columns: Column<TesTaskFull>[] = [
    { heading: 'TASK', value: ({ id }) => id },
    { heading: 'STATE', value: ({ state }) => state, paint: ({ state }) => paintOfState(state) },
    { heading: 'CREATED', value: (task) => formatShortTime(task.creation_time, nowMs) },
    { heading: 'AGE', value: ({ creation_time: created }) => ageOf(created, nowMs) },
    { heading: 'RAN', value: (task) => ranFor(task, nowMs) },
    ...(tasks.some((task) => waitsFor(task))
      ? [{ heading: 'WAITS FOR', value: (task: TesTaskFull) => waitsFor(task) }]
      : []),
    { heading: 'NAME', value: (task) => shorten(task.name ?? '', LONGEST_NAME) },
  ];
  printLine(terminal.out, formatTable(columns, tasks, terminal));
}

const ageOf = (created: string | undefined, nowMs: number): string | undefined =>
  created === undefined ? undefined : formatAge(between(created, undefined, nowMs));

/** From the start of its first attempt to its end, or until now while it runs. */
function ranFor(task: TesTaskFull, nowMs: number): string | undefined {
  if (finalLog(task)?.metadata?.['cache'] === 'hit') return 'cached';
  const starts = (task.logs ?? []).flatMap(({ start_time: start }) => start ?? []).toSorted();
  const end = finalLog(task)?.end_time;
  const [first] = starts;
  if (first === undefined || (end === undefined && hasEnded(task.state))) return undefined;
  if (end === undefined && task.state !== 'RUNNING') return undefined;
  return formatDuration(between(first, end, nowMs));
}

/** In a word or two: `owner limit`. */
const waitsFor = (task: TesTaskFull): string | undefined =>
  finalLog(task)?.metadata?.['waiting_for']?.replaceAll('-', ' ');

export function showScatters(scatters: readonly ScatterReply[], terminal: Terminal): void {
  const nowMs = Date.now();
  const columns: Column<ScatterReply>[] = [
    { heading: 'SCATTER', value: ({ id }) => id },
    { heading: 'CREATED', value: ({ created }) => formatShortTime(created, nowMs) },
    { heading: 'AGE', value: ({ created }) => ageOf(created, nowMs) },
    {
      heading: 'TASKS',
      value: describeCounts,
      paint: ({ places, ended }) => (places.failed > 0 ? 'red' : ended ? 'green' : 'cyan'),
    },
    { heading: 'NAME', value: ({ name }) => shorten(name, LONGEST_NAME) },
  ];
  printLine(terminal.out, formatTable(columns, scatters, terminal));
}

const MOST_GROUPS = 10;

/** `2 failed: image-unavailable`, with what the latest of them says and whom to ask. */
export function showFailures({ groups, more }: FailureList, terminal: Terminal): void {
  const { out } = terminal;
  if (groups.length > 0) printLine(out);
  for (const { code, tasks, message, examples } of groups.slice(0, MOST_GROUPS)) {
    const head = paint(`${tasks}${more ? ' or more' : ''} failed: ${code}`, 'red', terminal);
    printLine(out, head);
    for (const line of wrap(printable(message), terminal.columns - INDENT.length))
      printLine(out, `${INDENT}${line}`);
    const [example] = examples;
    if (example !== undefined)
      printLine(out, `${INDENT}${tasks === 1 ? 'Task' : 'Latest'}: ${example}`);
  }
  if (groups.length > MOST_GROUPS)
    printLine(out, `and ${groups.length - MOST_GROUPS} other reasons`);
}

const INDENT = '  ';

const wrap = (text: string, columns: number): string[] =>
  formatTable([{ heading: '', value: (line: string) => line }], [text], { columns, colour: false })
    .split('\n')
    .slice(1);
