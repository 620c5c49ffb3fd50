/**
 * The change log as this process reads it. All listeners at the same place share one read, four
 * times a second: a thousand of them cost one statement, and none holds a connection while it
 * waits.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReportedTask } from '../../core/notify/task-event.ts';
import { readChanges } from '../../db/changes.ts';
import type { Database } from '../../db/client.ts';
import { readReportedTasks } from '../../db/reported-tasks.ts';

export interface ChangeBatch {
  /** Each task once, in its current state, which may be later than the change. */
  tasks: readonly ReportedTask[];
  /** The place after which to continue. */
  upTo: number;
  /** There is more to read, now or shortly. */
  more: boolean;
}

export interface ChangeFeed {
  /**
   * The changes after a place in the log, as soon as there are any. After about `waitMs` without
   * changes: a batch without tasks. Rejects while the database is unavailable.
   */
  next(after: number, waitMs: number): Promise<ChangeBatch>;
  readonly closing: AbortSignal;
  /** From now on every `next` returns at once. */
  close(): void;
}

const LOOK_MS = 250;
/** Up to 1,000 tasks each. */
const CHANGES_PER_LOOK = 10;

export function createChangeFeed({ pool }: Database): ChangeFeed {
  const closing = new AbortController();
  const looks = new Map<number, Promise<ChangeBatch>>();

  const look = async (after: number): Promise<ChangeBatch> => {
    const page = await readChanges(pool, after, CHANGES_PER_LOOK);
    if (page.upTo === after)
      await sleep(LOOK_MS, undefined, { signal: closing.signal }).catch(() => undefined);
    const ids = [...new Set(page.changes.flatMap((change) => change.tasks))];
    return { tasks: await readReportedTasks(pool, ids), upTo: page.upTo, more: page.more };
  };
  const sharedLook = (after: number): Promise<ChangeBatch> => {
    const shared = looks.get(after) ?? look(after).finally(() => looks.delete(after));
    looks.set(after, shared);
    return shared;
  };

  return {
    closing: closing.signal,
    async next(after, waitMs) {
      for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
        const batch = await sharedLook(after);
        if (batch.upTo > after || waitedMs >= waitMs || closing.signal.aborted) return batch;
      }
    },
    close: () => closing.abort(),
  };
}
