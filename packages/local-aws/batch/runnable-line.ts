/**
 * The RUNNABLE jobs of one queue, in order of arrival. An array is one entry.
 */
import type { Job } from './jobs.ts';

interface Entry {
  /** A single job or an array parent. */
  job: Job;
  /** No RUNNABLE child below this index. */
  from: number;
}

export interface RunnableLine {
  /** A job that is RUNNABLE now: single or child. */
  push(job: Job): void;
  /** The next job to start, still RUNNABLE. The caller changes its status at once. */
  take(): Job | undefined;
  /** The entries from the front, at most `limit`: single jobs and array parents. */
  front(limit: number): Job[];
}

const COMPACT_AFTER = 1024;

export function createRunnableLine(): RunnableLine {
  let entries: Entry[] = [];
  let head = 0;
  const arrays = new Map<Job, Entry>();

  function dropHead(): void {
    head += 1;
    if (head < COMPACT_AFTER || head * 2 < entries.length) return;
    entries = entries.slice(head);
    head = 0;
  }

  function takeFrom(entry: Entry): Job | undefined {
    const child = entry.job.children?.first('RUNNABLE', entry.from);
    if (child !== undefined) entry.from = child.ordinal + 1;
    return child;
  }

  return {
    push(job) {
      const owner = job.parent ?? job;
      const waiting = arrays.get(owner);
      if (waiting !== undefined) {
        waiting.from = Math.min(waiting.from, job.ordinal);
        return;
      }
      const entry = { job: owner, from: job.ordinal };
      entries.push(entry);
      if (job.parent !== undefined) arrays.set(owner, entry);
    },
    take() {
      for (let entry = entries[head]; entry !== undefined; entry = entries[head]) {
        if (entry.job.children === undefined) {
          dropHead();
          // A job that was cancelled or forgotten while it waited is still here.
          if (entry.job.status === 'RUNNABLE') return entry.job;
        } else {
          const child = takeFrom(entry);
          if (child !== undefined) return child;
          arrays.delete(entry.job);
          dropHead();
        }
      }
      return undefined;
    },
    front: (limit) => entries.slice(head, head + limit).map((entry) => entry.job),
  };
}
