/** `advise`: what tasks could ask for, by what they used. */
import { adviseTasks, type Advice, type Asked, type MeasuredTask } from '../../core/advice.ts';
import { finalLog, type Client, type TesTaskFull } from '../../packages/client/client.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { formatCount, formatTable, type Column } from '../output/table.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import type { CommandContext } from './context.ts';
import { connect, isScatterId, withConnection, type ConnectionOptions } from './connection.ts';

/** TES 1.1: page_size is below 2048. */
const LARGEST_PAGE = 2047;

export function addAdviseCommand({ program, terminal, act }: CommandContext): void {
  withConnection(
    program
      .command('advise')
      .argument('<id>', 'id of a task or a scatter')
      .summary('advise cpu_cores and ram_gb by what tasks used')
      .description(
        'compare what tasks asked for with what they used, and advise cpu_cores and ram_gb for ' +
          'the next run',
      )
      .addHelpText(
        'after',
        `
USED is the most that any of the tasks used, and the advice has a quarter more.
Tasks that did not succeed, cache hits, and tasks on hosts that measure nothing are left out.`,
      )
      .action(act((id: string, options: ConnectionOptions) => advise(id, options, terminal))),
  );
}

async function advise(
  id: string,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const tasks = await readTasks(connect(options, terminal), id);
  const measured = tasks.flatMap(measuredOf);
  const advice = adviseTasks(measured);
  if (options.json) printJson(terminal, { tasks: tasks.length, measured: measured.length, advice });
  else show({ tasks, measured, advice }, terminal);
  return exitCodes.ok;
}

const readTasks = async (client: Client, id: string): Promise<TesTaskFull[]> =>
  isScatterId(id)
    ? Array.fromAsync(client.scatterTasks(id, { view: 'BASIC', page_size: LARGEST_PAGE }))
    : [await client.get(id, { view: 'BASIC' })];

function measuredOf(task: TesTaskFull): MeasuredTask[] {
  const { cpu_cores: cpuCores = 1, ram_gb: ramGb } = task.resources ?? {};
  const { wallSeconds, ...used } = usedBy(task);
  const wasMeasured = wallSeconds !== undefined && Object.keys(used).length > 0;
  if (task.state !== 'COMPLETE' || ramGb === undefined || !wasMeasured) return [];
  const images = new Set((task.executors ?? []).map(({ image }) => image));
  return [{ kind: [...images].join(', '), cpuCores, ramGb, wallSeconds, ...used }];
}

type Used = Partial<Pick<MeasuredTask, 'wallSeconds' | 'cpuSeconds' | 'peakMemoryBytes'>>;

function usedBy(task: TesTaskFull): Used {
  const metadata = finalLog(task)?.metadata ?? {};
  const number = <K extends keyof Used>(key: K, name: string): { [P in K]?: number } =>
    metadata[name] === undefined
      ? {}
      : ({ [key]: Number(metadata[name]) } as { [P in K]?: number });
  return {
    ...number('wallSeconds', 'wall_seconds'),
    ...number('cpuSeconds', 'cpu_seconds'),
    ...number('peakMemoryBytes', 'peak_memory_bytes'),
  };
}

const brief = (value: number | undefined): string | undefined =>
  value === undefined ? undefined : String(Number(value.toPrecision(value < 10 ? 2 : 4)));

/** `OK` says that it was looked at. */
const wanted = ({ used, advised }: Asked): string | undefined =>
  used === undefined ? '?' : (brief(advised) ?? 'OK');

const COLUMNS: Column<Advice>[] = [
  { heading: 'IMAGE', value: ({ kind }) => kind },
  { heading: 'TASKS', value: ({ tasks }) => formatCount(tasks) },
  { heading: 'CPU_CORES', value: ({ cpu }) => brief(cpu.asked) },
  { heading: 'USED', value: ({ cpu }) => brief(cpu.used) },
  { heading: 'ADVICE', value: ({ cpu }) => wanted(cpu), paint: ({ cpu }) => painted(cpu) },
  { heading: 'RAM_GB', value: ({ ram }) => brief(ram.asked) },
  { heading: 'USED', value: ({ ram }) => brief(ram.used) },
  { heading: 'ADVICE', value: ({ ram }) => wanted(ram), paint: ({ ram }) => painted(ram) },
];

const painted = ({ advised }: Asked): 'yellow' | undefined =>
  advised === undefined ? undefined : 'yellow';

function show(
  {
    tasks,
    measured,
    advice,
  }: {
    tasks: readonly TesTaskFull[];
    measured: readonly MeasuredTask[];
    advice: readonly Advice[];
  },
  terminal: Terminal,
): void {
  if (measured.length === 0) {
    printLine(
      terminal.err,
      'There is nothing to compare yet: no task has succeeded on a host that measures what it uses.',
    );
    return;
  }
  printLine(terminal.out, formatTable(COLUMNS, advice, terminal));
  const sum = (of: 'savedVcpuHours' | 'savedGibHours'): number =>
    advice.reduce((total, one) => total + one[of], 0);
  const [vcpuHours, gibHours] = [sum('savedVcpuHours'), sum('savedGibHours')];
  if (vcpuHours > 0 || gibHours > 0)
    printLine(
      terminal.out,
      `This run held ${brief(Math.max(0, vcpuHours))} vCPU-hours and ${brief(Math.max(0, gibHours))} GiB-hours that it did not use.`,
    );
  const left = tasks.length - measured.length;
  if (left > 0)
    printLine(
      terminal.err,
      `${formatCount(left)} of ${formatCount(tasks.length)} tasks are left out: they did not succeed, were cache hits, or were not measured.`,
    );
}
