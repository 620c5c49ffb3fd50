/**
 * What says how busy the fleet is, as lines in the embedded metric format (EMF) of CloudWatch, from
 * which CloudWatch Logs makes metrics. Target tracking scales workers and compute by them.
 */
import type { Stage } from './places.ts';

interface StageLoad {
  /** Messages that a worker could take now. */
  waiting: number;
  /** Messages that workers have. */
  active: number;
  /** How long the first of those that wait has waited; 0 if none waits. */
  oldestMs: number;
}

export interface JobCounts {
  runnable: number;
  running: number;
}

export interface FleetLoad {
  messages: ReadonlyMap<Stage, StageLoad>;
  /** Tasks at each stage, from the rows. */
  tasks: Readonly<Record<Stage, number>>;
  /** Jobs of each Batch queue, as the fleet last saw them. */
  jobs: ReadonlyMap<string, JobCounts>;
}

interface Metric {
  name: string;
  unit: 'Count' | 'Seconds';
  value: number;
}

interface Signal {
  namespace: string;
  atMs: number;
}

/** One line for each value of a dimension, each a JSON object without a line break. */
export function scalingLines({ messages, tasks, jobs }: FleetLoad, signal: Signal): string[] {
  return [
    ...[...messages].map(([stage, load]) =>
      lineOf(signal, { name: 'Stage', value: stage }, [
        count('MessagesWaiting', load.waiting),
        count('MessagesActive', load.active),
        { name: 'OldestMessageAge', unit: 'Seconds', value: load.oldestMs / 1000 },
      ]),
    ),
    ...Object.entries(tasks).map(([place, number]) =>
      lineOf(signal, { name: 'Place', value: place }, [count('Tasks', number)]),
    ),
    ...[...jobs].map(([queue, { runnable, running }]) =>
      lineOf(signal, { name: 'JobQueue', value: queue }, [
        count('RunnableJobs', runnable),
        count('RunningJobs', running),
      ]),
    ),
  ];
}

const count = (name: string, value: number): Metric => ({ name, unit: 'Count', value });

/** CloudWatch's longest value of a dimension. */
const LONGEST_VALUE = 1024;

function lineOf(
  { namespace, atMs }: Signal,
  dimension: { name: string; value: string },
  metrics: readonly Metric[],
): string {
  return JSON.stringify({
    _aws: {
      Timestamp: Math.floor(atMs),
      CloudWatchMetrics: [
        {
          Namespace: namespace,
          Dimensions: [[dimension.name]],
          Metrics: metrics.map(({ name, unit }) => ({ Name: name, Unit: unit })),
        },
      ],
    },
    [dimension.name]: dimension.value.slice(0, LONGEST_VALUE),
    ...Object.fromEntries(metrics.map(({ name, value }) => [name, value])),
  });
}
