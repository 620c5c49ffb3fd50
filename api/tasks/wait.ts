/**
 * Requests that wait until a task changes. All waiters of a process share the reads of their tasks,
 * four times a second: a thousand waiters cost two statements each time, and none holds a
 * connection while it waits.
 */
import { readStandings, type TaskStanding } from '../../db/task-views.ts';
import type { ApiDependencies } from '../dependencies.ts';

export interface TaskWaiter {
  /** Resolves when the task differs from `from`, after `longestMs`, or when the signal aborts. */
  untilChanged(from: TaskStanding, longestMs: number, signal: AbortSignal): Promise<void>;
  close(): void;
}

const POLL_MS = 250;
const TASKS_PER_READ = 500;

interface Waiter {
  from: TaskStanding;
  wake(): void;
}

const isSame = (a: TaskStanding, b: TaskStanding): boolean =>
  a.place === b.place &&
  a.running === b.running &&
  a.jobOpen === b.jobOpen &&
  a.failureCode === b.failureCode;

export function createTaskWaiter({
  database,
  log,
}: Pick<ApiDependencies, 'database' | 'log'>): TaskWaiter {
  const waiting = new Set<Waiter>();
  let timer: NodeJS.Timeout | undefined;

  const poll = async (): Promise<void> => {
    const ids = [...new Set([...waiting].map(({ from }) => from.id))];
    const now = new Map<number, TaskStanding>();
    for (let start = 0; start < ids.length; start += TASKS_PER_READ) {
      for (const standing of await readStandings(
        database.pool,
        ids.slice(start, start + TASKS_PER_READ),
      ))
        now.set(standing.id, standing);
    }
    for (const waiter of waiting) {
      const standing = now.get(waiter.from.id);
      if (standing && !isSame(standing, waiter.from)) waiter.wake();
    }
  };
  const schedule = (): void => {
    if (timer !== undefined || waiting.size === 0) return;
    timer = setTimeout(() => {
      // While the database is unavailable they keep waiting, each until its own time limit.
      void poll()
        .catch((error: unknown) =>
          log.debug({ event: 'watch-failed', error: String(error) }, 'watch-failed'),
        )
        .finally(() => {
          timer = undefined;
          schedule();
        });
    }, POLL_MS);
  };

  return {
    async untilChanged(from, longestMs, signal) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const waiter: Waiter = { from, wake: () => resolve() };
      if (signal.aborted) return;
      const timeout = setTimeout(resolve, longestMs);
      signal.addEventListener('abort', waiter.wake, { once: true });
      waiting.add(waiter);
      schedule();
      await promise;
      clearTimeout(timeout);
      // One signal may be used for a thousand waits.
      signal.removeEventListener('abort', waiter.wake);
      waiting.delete(waiter);
    },
    close() {
      for (const waiter of waiting) waiter.wake();
    },
  };
}
