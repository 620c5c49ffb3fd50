/** How the jobs of a queue are looked at, and when the next look is due. */

/**
 * Up to this many jobs, one DescribeJobs tells all. Above, listing by status gives 1,000 a request,
 * and only jobs that left the active statuses are described.
 */
const DESCRIBE_UP_TO = 100;
export const looksByListing = (jobs: number): boolean => jobs > DESCRIBE_UP_TO;

/** When anything last happened in a queue. */
export const lastChangeMs = (
  running: readonly { submittedMs: number | null; cancelMs: number | null }[],
  lastEndMs: number,
): number =>
  running.reduce(
    (latest, { submittedMs, cancelMs }) => Math.max(latest, submittedMs ?? 0, cancelMs ?? 0),
    lastEndMs,
  );

export interface Pace {
  /** Between two looks while something happens. */
  pollMs: number;
  slowestMs: number;
}

/**
 * The wait grows by a tenth of the time in which nothing has happened: a job of an hour is not
 * looked at 3,600 times.
 */
const IDLE_SHARE = 0.1;

/**
 * A look that lists this many pages delays the next one by half; twice as many or more double the
 * wait.
 */
const EXPENSIVE_PAGES = 10;

/**
 * @param pages of results that the last look listed: where tasks end slowly in wide arrays, each
 * look lists much for little
 */
export const nextLookMs = (idleMs: number, pages: number, { pollMs, slowestMs }: Pace): number =>
  Math.max(
    pollMs * (1 + Math.min(1, pages / (2 * EXPENSIVE_PAGES))),
    Math.min(slowestMs, idleMs * IDLE_SHARE),
  );
