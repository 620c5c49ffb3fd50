/** What the rows say of the whole fleet: which tasks are where, whose they are, and what they cost. */
import { stages, type Stage } from '../places.ts';
import { hourlyCost, type Asked, type Rate } from '../cost/prices.ts';

/** Tasks of one owner at one stage that are in no open submission. */
export interface LooseTasks {
  owner: string;
  place: Stage;
  tasks: number;
  /** When the one that has been there for the longest came there. */
  oldestMs: number;
}

/** Open submissions that are alike. */
export interface OpenSubmissions {
  owner: string;
  queue: string;
  jobDefinitionId: number;
  /** Whether Batch has them. */
  isInBatch: boolean;
  /** Whether a job of them was seen RUNNING. */
  isStarted: boolean;
  /** Whether Batch or AWS says why they do not start. */
  isHeldUp: boolean;
  /** Attempts that have not ended, and those of them that Batch had started at the latest look. */
  open: number;
  running: number;
  oldestMs: number;
}

export interface FleetRows {
  loose: readonly LooseTasks[];
  submissions: readonly OpenSubmissions[];
}

export interface PlaceLoad {
  tasks: number;
  /** 0 where there is none. */
  oldestSeconds: number;
}

export function loadByPlace(
  { loose, submissions }: FleetRows,
  nowMs: number,
): Map<Stage, PlaceLoad> {
  const loads = new Map(stages.map((stage) => [stage, { tasks: 0, oldestSeconds: 0 }]));
  const add = (place: Stage, tasks: number, sinceMs: number): void => {
    const load = loads.get(place);
    if (!load || tasks === 0) return;
    load.tasks += tasks;
    load.oldestSeconds = Math.max(load.oldestSeconds, (nowMs - sinceMs) / 1000);
  };
  for (const { place, tasks, oldestMs } of loose) add(place, tasks, oldestMs);
  for (const { isInBatch, open, oldestMs } of submissions)
    add(isInBatch ? 'poll' : 'submit', open, oldestMs);
  return loads;
}

export function tasksByOwner({ loose, submissions }: FleetRows): Map<string, number> {
  const sums = new Map<string, number>();
  const add = (owner: string, tasks: number): void =>
    void sums.set(owner, (sums.get(owner) ?? 0) + tasks);
  for (const { owner, tasks } of loose) add(owner, tasks);
  for (const { owner, open } of submissions) add(owner, open);
  return sums;
}

export interface RunningShare {
  owner: string;
  running: number;
  vcpus: number;
  costPerHour: number;
}

export interface RunningFacts {
  /** What the job definitions ask for, by id. */
  asked: ReadonlyMap<number, Asked>;
  rateOf(queue: string): Rate;
}

export function runningShares(
  { submissions }: FleetRows,
  { asked, rateOf }: RunningFacts,
): RunningShare[] {
  return submissions.map(({ owner, queue, jobDefinitionId, running }) => {
    const resources = asked.get(jobDefinitionId) ?? { vcpus: 0, gib: 0 };
    return {
      owner,
      running,
      vcpus: running * resources.vcpus,
      costPerHour: running * hourlyCost(resources, rateOf(queue)),
    };
  });
}

export interface QueueWait {
  /** How long the submission that waits for the longest has been with Batch without a start. */
  oldestSeconds: number;
  /** Tasks for which Batch or AWS says why they do not start. */
  heldUp: number;
}

export function waitsByQueue({ submissions }: FleetRows, nowMs: number): Map<string, QueueWait> {
  const waits = new Map<string, QueueWait>();
  for (const { queue, isInBatch, isStarted, isHeldUp, open, oldestMs } of submissions) {
    const wait = waits.get(queue) ?? { oldestSeconds: 0, heldUp: 0 };
    waits.set(queue, wait);
    if (isHeldUp) wait.heldUp += open;
    if (isInBatch && !isStarted && open > 0)
      wait.oldestSeconds = Math.max(wait.oldestSeconds, (nowMs - oldestMs) / 1000);
  }
  return waits;
}
