/** How far a Batch job is, from its status and the counts of its children. */

/** Statuses of a Batch job that has not ended. */
export const activeStatuses = ['SUBMITTED', 'PENDING', 'RUNNABLE', 'STARTING', 'RUNNING'] as const;

export interface CountedJob {
  status: string;
  /** Children per status, for an array. */
  counts?: Partial<Record<string, number>>;
}

interface SubmissionProgress {
  size: number;
  /** How many of its attempts have not ended, as far as MySQL knows. */
  open: number;
  cancelMs: number | null;
}

export const hasEnded = ({ status }: CountedJob): boolean =>
  status === 'SUCCEEDED' || status === 'FAILED';

/** How many of a job's attempts have ended in Batch. */
export function endedCount(job: CountedJob): number {
  if (job.counts) return (job.counts['SUCCEEDED'] ?? 0) + (job.counts['FAILED'] ?? 0);
  return hasEnded(job) ? 1 : 0;
}

/** How many of the attempts of a submission have never started in Batch, or wait to be started again. */
export function unstartedOf(size: number, job: CountedJob): number {
  const running = job.counts ? (job.counts['RUNNING'] ?? 0) : Number(job.status === 'RUNNING');
  return Math.max(0, size - endedCount(job) - running);
}

/** Whether any of its attempts runs or has run. */
export function hasRun(job: CountedJob): boolean {
  return job.status === 'RUNNING' || endedCount(job) > 0 || (job.counts?.['RUNNING'] ?? 0) > 0;
}

/**
 * Whether there is anything to read or to end. A submission in which nothing has changed costs no
 * more than its part of the one look at its queue.
 */
export const hasNews = ({ size, open, cancelMs }: SubmissionProgress, job: CountedJob): boolean =>
  cancelMs !== null || endedCount(job) > size - open;
