/**
 * This folder makes `batchwell report`: one HTML file about a scatter. This file is what the report
 * says, as numbers.
 */
import {
  finalLog,
  hasEnded,
  type FailureList,
  type ScatterCacheExplanation,
  type ScatterReply,
  type TesTaskFull,
  type TesTaskLog,
} from '../../packages/client/client.ts';
import { hourlyCost, rateOf, type Prices } from '../../core/cost/prices.ts';

/** One task on the time line. Times are epoch milliseconds. */
export interface TaskBar {
  id: string;
  name: string;
  state: string;
  isHit: boolean;
  attempts: number;
  createdMs: number;
  /** Of its latest attempt; absent for one that never started. */
  startedMs?: number;
  /** Absent while it goes on. */
  endedMs?: number;
  cost: number;
}

/** What tasks used of what they asked for, where their hosts measured it. */
interface Used {
  tasks: number;
  /** Middle share of the memory asked for. */
  memoryShare?: number;
  /** CPU time as a share of wall time times vCPUs, over all. */
  cpuShare?: number;
}

export interface ReportFacts {
  scatter: ScatterReply;
  madeMs: number;
  bars: TaskBar[];
  startedMs: number;
  endedMs: number;
  /** Sum of the times of all attempts. */
  runMs: number;
  retried: number;
  slowest: TaskBar[];
  failures: FailureList | undefined;
  cache: ScatterCacheExplanation | undefined;
  cost: { total: number; currency: string; source: string };
  used: Used | undefined;
}

export interface ReportInput {
  scatter: ScatterReply;
  /** In view BASIC. */
  tasks: readonly TesTaskFull[];
  failures: FailureList | undefined;
  cache: ScatterCacheExplanation | undefined;
  prices: Prices;
  spotQueue: string;
  nowMs: number;
}

const SLOWEST = 20;
const HOUR_MS = 3_600_000;

export function gatherFacts(input: ReportInput): ReportFacts {
  const { scatter, tasks, failures, cache, prices, nowMs } = input;
  const bars = tasks.map((task) => barOf(task, input)).toSorted(compareBars);
  const ends = bars.map(({ endedMs }) => endedMs ?? nowMs);
  const createdMs = Date.parse(scatter.created);
  return {
    scatter,
    madeMs: nowMs,
    bars,
    startedMs: createdMs,
    endedMs: ends.reduce((latest, ms) => Math.max(latest, ms), createdMs),
    runMs: tasks
      .filter((task) => !isHit(task))
      .flatMap(({ logs }) => logs)
      .reduce((sum, log) => sum + ranMs(log, nowMs), 0),
    retried: bars.filter(({ attempts }) => attempts > 1).length,
    slowest: bars
      .filter(({ startedMs }) => startedMs !== undefined)
      .toSorted((one, other) => lengthOf(other, nowMs) - lengthOf(one, nowMs))
      .slice(0, SLOWEST),
    failures,
    cache,
    cost: {
      total: bars.reduce((sum, { cost }) => sum + cost, 0),
      currency: prices.currency,
      source: `${prices.source} (${prices.asOf})`,
    },
    used: usedBy(tasks),
  };
}

/** How long the latest attempt ran. */
export const lengthOf = ({ startedMs, endedMs }: TaskBar, nowMs: number): number =>
  startedMs === undefined ? 0 : Math.max(0, (endedMs ?? nowMs) - startedMs);

const compareBars = (one: TaskBar, other: TaskBar): number =>
  (one.startedMs ?? one.endedMs ?? Number.MAX_SAFE_INTEGER) -
    (other.startedMs ?? other.endedMs ?? Number.MAX_SAFE_INTEGER) || one.id.localeCompare(other.id);

const timeOf = (text: string | undefined): number | undefined =>
  text === undefined || text === '' ? undefined : Date.parse(text);

function ranMs({ start_time: start, end_time: end }: TesTaskLog, nowMs: number): number {
  const from = timeOf(start);
  return from === undefined ? 0 : Math.max(0, (timeOf(end) ?? nowMs) - from);
}

/** The log of a hit begins when the task was accepted; nothing ran. */
const isHit = (task: TesTaskFull): boolean => finalLog(task)?.metadata?.['cache'] === 'hit';

function barOf(task: TesTaskFull, input: ReportInput): TaskBar {
  const latest = finalLog(task);
  const hit = isHit(task);
  const startedMs = hit ? undefined : timeOf(latest?.start_time);
  const endedMs = hasEnded(task.state) ? (timeOf(latest?.end_time) ?? startedMs) : undefined;
  return {
    id: task.id,
    name: task.name ?? '',
    state: task.state,
    isHit: hit,
    createdMs: Date.parse(task.creation_time),
    ...(startedMs !== undefined && { startedMs }),
    ...(endedMs !== undefined && { endedMs }),
    ...(hit ? { attempts: 0, cost: 0 } : spentBy(task, input)),
  };
}

const spentBy = (task: TesTaskFull, input: ReportInput): Pick<TaskBar, 'attempts' | 'cost'> => ({
  attempts: task.logs.filter(({ start_time: start }) => start !== undefined).length,
  cost: costOf(task, input),
});

/** Every attempt costs, also one that is lost. */
function costOf(
  { logs, resources }: TesTaskFull,
  { prices, spotQueue, nowMs }: Pick<ReportInput, 'prices' | 'spotQueue' | 'nowMs'>,
): number {
  const asked = { vcpus: resources?.cpu_cores ?? 1, gib: resources?.ram_gb ?? 0 };
  return logs.reduce((sum, log) => {
    const rate = rateOf(prices, log.metadata?.['queue'] ?? '', { spotQueue });
    return sum + (ranMs(log, nowMs) / HOUR_MS) * hourlyCost(asked, rate);
  }, 0);
}

const GIB = 1024 ** 3;

function usedBy(tasks: readonly TesTaskFull[]): Used | undefined {
  const measured = tasks.flatMap((task) => {
    const metadata = finalLog(task)?.metadata;
    const number = (name: string): number => Number(metadata?.[name] ?? Number.NaN);
    const wall = number('wall_seconds');
    return Number.isNaN(wall)
      ? []
      : [
          {
            memory: number('peak_memory_bytes') / ((task.resources?.ram_gb ?? 0) * GIB),
            cpu: number('cpu_seconds'),
            offered: wall * (task.resources?.cpu_cores ?? 1),
          },
        ];
  });
  if (measured.length === 0) return undefined;
  const memory = measured
    .map(({ memory: share }) => share)
    .filter(Number.isFinite)
    .toSorted((one, other) => one - other);
  const withCpu = measured.filter(({ cpu }) => Number.isFinite(cpu));
  const sum = (of: 'cpu' | 'offered'): number => withCpu.reduce((total, one) => total + one[of], 0);
  const middle = memory[Math.floor(memory.length / 2)];
  return {
    tasks: measured.length,
    ...(middle !== undefined && { memoryShare: middle }),
    ...(sum('offered') > 0 && { cpuShare: sum('cpu') / sum('offered') }),
  };
}
