/** What is old enough to be deleted. Times are epoch milliseconds; nothing is older than 0, which stands for never. */

export interface Retention {
  keepTasksMs: number;
  keepEntriesMs: number;
  keepSumsMs: number;
  idempotencyMs: number;
  keepChangesMs: number;
}

export interface Cutoffs {
  /** Tasks that ended before this are deleted, and entries that cannot be used since then. */
  tasksMs: number;
  /** Templates, shapes and the like that were last used before this are deleted, unless something still names them. */
  sharedMs: number;
  /** Entries whose last use was before this give no more hits. */
  entriesMs: number;
  /** Sums of objects that were learned before this are forgotten. */
  sumsMs: number;
}

/** A use is noted at most this often, so that it costs no write each time. */
export const NOTE_USE_MS = 3_600_000;
/** Above `NOTE_USE_MS`: what a worker has just looked up, and is about to name, is not deleted under it. */
const SLACK_MS = 24 * NOTE_USE_MS;

/** Tasks outlive the answers and events that name them. */
export function cutoffsOf(keep: Retention, nowMs: number): Cutoffs {
  const before = (ms: number): number => (ms === 0 ? 0 : Math.max(0, nowMs - ms));
  const keepTasksMs =
    keep.keepTasksMs === 0 ? 0 : Math.max(keep.keepTasksMs, keep.idempotencyMs, keep.keepChangesMs);
  const tasksMs = before(keepTasksMs);
  return {
    tasksMs,
    sharedMs: Math.max(0, tasksMs - SLACK_MS),
    entriesMs: before(keep.keepEntriesMs),
    sumsMs: before(keep.keepSumsMs),
  };
}
