/**
 * What a process remembers of a Batch queue between two looks at it. Without it, as after a
 * restart, a look only costs more.
 */
import type { Missing } from '../../../core/submission/forgotten-job.ts';
import type { Runtime } from '../../runtime.ts';

export interface QueueMemory {
  /** When an attempt was last seen to end; 0 when none was. */
  lastEndMs: number;
  /** Array indexes whose results were applied, by running submission. */
  applied: Map<number, Set<number>>;
  /** Why a running submission does not start, as Batch said at the last look. */
  waitingReasons: Map<number, string>;
  /**
   * How long Batch has not shown the job of a running submission; jobs that it shows are left out.
   */
  missing: Map<number, Missing>;
  /** How many looks in a row threw for a submission, by its id. */
  troubles: Map<number, number>;
  /** The same for an attempt whose end could not be written, by submission, then by array index. */
  unwritten: Map<number, Map<number, number>>;
}

const memories = new WeakMap<Runtime, Map<string, QueueMemory>>();

/** The memory of a queue; submissions that are no longer among `running` are forgotten. */
export function recallQueue(
  runtime: Runtime,
  queue: string,
  running: readonly number[],
): QueueMemory {
  const queues = memories.get(runtime) ?? new Map<string, QueueMemory>();
  memories.set(runtime, queues);
  const {
    lastEndMs = 0,
    applied,
    missing,
    waitingReasons,
    troubles,
    unwritten,
  } = queues.get(queue) ?? {};
  const stillRunning = <T>(known: ReadonlyMap<number, T> = new Map()): Map<number, T> =>
    new Map([...known].filter(([id]) => running.includes(id)));
  const memory: QueueMemory = {
    lastEndMs,
    applied: new Map(running.map((id) => [id, applied?.get(id) ?? new Set<number>()])),
    missing: stillRunning(missing),
    waitingReasons: stillRunning(waitingReasons),
    troubles: stillRunning(troubles),
    unwritten: new Map(running.map((id) => [id, unwritten?.get(id) ?? new Map<number, number>()])),
  };
  queues.set(queue, memory);
  return memory;
}
