/** How the jobs of a queue are looked at, and what a look says: pure. */
import { indexInKey } from '../files/s3-layout.ts';

/** Statuses of a Batch job that has not ended. */
export const activeStatuses = ['SUBMITTED', 'PENDING', 'RUNNABLE', 'STARTING', 'RUNNING'] as const;

export interface Counted {
  status: string;
  /** Children per status, for an array. */
  counts?: Partial<Record<string, number>>;
}

export const hasEnded = ({ status }: Counted): boolean =>
  status === 'SUCCEEDED' || status === 'FAILED';

/** How many of a job's attempts have ended in Batch. */
export function endedCount(job: Counted): number {
  if (job.counts) return (job.counts['SUCCEEDED'] ?? 0) + (job.counts['FAILED'] ?? 0);
  return hasEnded(job) ? 1 : 0;
}

/** Whether any of its attempts runs or has run. */
export function hasRun(job: Counted): boolean {
  return job.status === 'RUNNING' || endedCount(job) > 0 || (job.counts?.['RUNNING'] ?? 0) > 0;
}

/**
 * Up to so many jobs, one DescribeJobs tells all; above, listing by status is 1,000 a request, and only jobs that
 * left the active statuses are described.
 */
const DESCRIBE_UP_TO = 100;
export const looksByListing = (jobs: number): boolean => jobs > DESCRIBE_UP_TO;

export interface Pace {
  /** Between two looks while something happens. */
  pollMs: number;
  slowestMs: number;
}

/** Looks grow rarer by a tenth of the time in which nothing has happened: a job of an hour is not looked at 3,600 times. */
const IDLE_SHARE = 0.1;

/** A look that lists so many pages of results is followed by one half as late again; from twice as many on, twice as late. */
const DEAR_PAGES = 10;

/** @param pages of results that the last look listed: where tasks end slowly in wide arrays, each look lists much for little */
export const nextLookMs = (idleMs: number, pages: number, { pollMs, slowestMs }: Pace): number =>
  Math.max(
    pollMs * (1 + Math.min(1, pages / (2 * DEAR_PAGES))),
    Math.min(slowestMs, idleMs * IDLE_SHARE),
  );

/**
 * Batch's reason why a job that is to start does not: `MISCONFIGURATION:…`, `CAPACITY:…` and the like. They come
 * minutes late and at times for a moment only, so one sighting is not shown, and none is ever acted on.
 */
export const waitingReasonOf = ({
  status,
  statusReason,
}: Counted & { statusReason?: string }): string | undefined =>
  (status === 'RUNNABLE' || status === 'PENDING') &&
  statusReason !== undefined &&
  /^[A-Z_]+:/.test(statusReason)
    ? statusReason
    : undefined;

/** Batch keeps finished jobs for at least 7 days, but listings lag and one answer may lack a job that is there. */
const FORGOTTEN_AGE_MS = 3_600_000;
const FORGOTTEN_MISSING_MS = 600_000;

/** Whether Batch has forgotten a job: submitted long ago, and missing at every look for long. */
export const isForgotten = (
  { submittedMs, missingSinceMs }: { submittedMs: number; missingSinceMs: number },
  nowMs: number,
): boolean =>
  nowMs - submittedMs >= FORGOTTEN_AGE_MS && nowMs - missingSinceMs >= FORGOTTEN_MISSING_MS;

/** A key after which a listing of results shows every attempt from `firstOpen` on. */
export const resultsFrom = (firstOpen: number): string | undefined =>
  firstOpen === 0 ? undefined : `${indexInKey(firstOpen - 1)}~`;
