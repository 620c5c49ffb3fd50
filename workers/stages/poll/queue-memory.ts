/**
 * What a process remembers of a Batch queue between two looks at it. Without it, as after a
 * restart, a look only costs more.
 */
import type { Missing } from '../../../core/submission/forgotten-job.ts';
import { noStartLooks, type StartLooks } from '../../../core/submission/start-looks.ts';
import { newStats, type SubmissionStats } from '../../../core/submission/submission-stats.ts';
import type { SeenStart } from '../../../core/result/start-key.ts';
import type { Runtime } from '../../runtime.ts';

/** Of one running submission. */
export interface Progress {
  /** Array indexes whose results were applied: they are not read again at each look. */
  readonly known: Set<number>;
  /** How many looks failed to write the end of an attempt, by array index. */
  readonly unwritten: Map<number, number>;
  /** Records that ended before this time are known; see core/submission/list-from.ts. 0 at first. */
  listFromMs: number;
  /** Array indexes that are known to run. */
  readonly running: Set<number>;
  /** Those that have ended, with a result record or without. */
  readonly over: Set<number>;
  /** Starts that were listed and not written yet: when, by array index. */
  readonly starts: Map<number, number>;
  /** Batch's attempt of the latest start in S3, by array index. */
  readonly startedAs: Map<number, number>;
  /** Of those whose host was lost, Batch's attempt that was lost, by array index. */
  readonly lostAs: Map<number, number>;
  startLooks: StartLooks;
  /** Whether its job was RUNNING at the look before. */
  wasRunning: boolean;
  /** How its attempts went that this process saw end. */
  readonly stats: SubmissionStats;
  /** How many of them ended at the present look. */
  endedNow: number;
}

export interface QueueMemory {
  /** When an attempt was last seen to end; 0 when none was. */
  lastEndMs: number;
  /** By running submission. */
  progress: Map<number, Progress>;
  /** Why a running submission does not start, as Batch said at the last look. */
  waitingReasons: Map<number, string>;
  /**
   * How long Batch has not shown the job of a running submission; jobs that it shows are left out.
   */
  missing: Map<number, Missing>;
  /** How many looks in a row threw for a submission, by its id. */
  troubles: Map<number, number>;
}

const memories = new WeakMap<Runtime, Map<string, QueueMemory>>();

export const newProgress = (): Progress => ({
  known: new Set(),
  unwritten: new Map(),
  listFromMs: 0,
  running: new Set(),
  over: new Set(),
  starts: new Map(),
  startedAs: new Map(),
  lostAs: new Map(),
  startLooks: noStartLooks,
  wasRunning: false,
  stats: newStats(),
  endedNow: 0,
});

/** A start in S3. That of a host which was lost stays there, and is listed again. */
export function noteStart(
  { over, running, starts, startedAs, lostAs }: Progress,
  { index, attempt, startedMs }: SeenStart,
): void {
  if (over.has(index) || attempt <= (lostAs.get(index) ?? 0)) return;
  const isLatest = attempt > (startedAs.get(index) ?? 0);
  if (isLatest) startedAs.set(index, attempt);
  if (!running.has(index) && (isLatest || !starts.has(index))) starts.set(index, startedMs);
}

/** Batch does not run these any more, and has not started them again. */
export function noteLost(
  { running, starts, startedAs, lostAs }: Progress,
  indexes: readonly number[],
): void {
  for (const index of indexes) {
    running.delete(index);
    starts.delete(index);
    lostAs.set(index, startedAs.get(index) ?? 0);
  }
}

/** The memory of a queue; submissions that are no longer among `running` are forgotten. */
export function recallQueue(
  runtime: Runtime,
  queue: string,
  running: readonly number[],
): QueueMemory {
  const queues = memories.get(runtime) ?? new Map<string, QueueMemory>();
  memories.set(runtime, queues);
  const { lastEndMs = 0, progress, missing, waitingReasons, troubles } = queues.get(queue) ?? {};
  const wanted = new Set(running);
  const stillRunning = <T>(known: ReadonlyMap<number, T> = new Map()): Map<number, T> =>
    new Map([...known].filter(([id]) => wanted.has(id)));
  const memory: QueueMemory = {
    lastEndMs,
    progress: new Map(running.map((id) => [id, progress?.get(id) ?? newProgress()])),
    missing: stillRunning(missing),
    waitingReasons: stillRunning(waitingReasons),
    troubles: stillRunning(troubles),
  };
  queues.set(queue, memory);
  return memory;
}
