/** Messages that were laid aside, and their retry by an operator. */
import type { Job, Queue } from 'bullmq';
import { stages, type Stage } from '../core/places.ts';
import type { Queues } from './queues.ts';

/** A message that failed too many times, and that no worker takes any more. */
export interface LaidAside {
  stage: Stage;
  id: string;
  tries: number;
  /** What the last try said. */
  error: string;
  failedMs: number;
  /** Of its tasks, where it names tasks. */
  tasks: number[];
  /** The message as it is. */
  data: unknown;
}

/** The latest ones of each stage first. Without those that were removed meanwhile. */
export async function listLaidAside(
  { byStage }: Pick<Queues, 'byStage'>,
  mostPerStage: number,
): Promise<LaidAside[]> {
  const found = await Promise.all(
    stages.map(async (stage) => {
      const jobs: (Job | undefined)[] = await byStage[stage].getFailed(0, mostPerStage - 1);
      return jobs.flatMap((job) => (job?.id === undefined ? [] : [viewOf(stage, job.id, job)]));
    }),
  );
  return found.flat();
}

const viewOf = (stage: Stage, id: string, job: Job): LaidAside => ({
  stage,
  id,
  tries: job.attemptsMade,
  error: job.failedReason ?? '',
  failedMs: job.finishedOn ?? job.timestamp,
  tasks: tasksIn(job.data),
  data: job.data as unknown,
});

function tasksIn(data: unknown): number[] {
  const tasks = typeof data === 'object' && data !== null && 'tasks' in data ? data.tasks : [];
  return Array.isArray(tasks) ? tasks.filter((id) => typeof id === 'number') : [];
}

/** More stay for the next call. */
const MOST_RETRIED = 1000;

/** Returns how many are taken again. One that is gone, or was retried meanwhile, is left out. */
export async function retryLaidAside(
  queue: Queue,
  { ids }: { ids?: readonly string[] | undefined },
): Promise<number> {
  const jobs: (Job | undefined)[] = ids
    ? await Promise.all(ids.map((id) => queue.getJob(id) as Promise<Job | undefined>))
    : await queue.getFailed(0, MOST_RETRIED - 1);
  const retried = await Promise.all(
    jobs.map(async (job) => {
      if (!job || !(await job.isFailed())) return 0;
      // With all of its tries, as a new message has.
      return job.retry('failed', { resetAttemptsMade: true }).then(
        () => 1,
        () => 0,
      );
    }),
  );
  return retried.reduce((sum: number, one) => sum + one, 0);
}
