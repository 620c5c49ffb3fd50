/** When a job that Batch no longer shows counts as ended. */

/** Batch keeps finished jobs for at least 7 days, but one answer may lack a job that exists. */
const FORGOTTEN_AGE_MS = 3_600_000;
const FORGOTTEN_MISSING_MS = 600_000;
/** A clock that was set, or a host that slept, makes no ten minutes of two looks. */
const FORGOTTEN_LOOKS = 5;

/** A job that Batch does not show: since when, and at how many looks in a row. */
export interface Missing {
  sinceMs: number;
  looks: number;
}

const NO_LONGER_KNOWN = 'AWS Batch no longer knows the job';

/** Whether a job is what `forgottenJob` made. */
export const isOfForgotten = ({ statusReason }: { statusReason?: string }): boolean =>
  statusReason === NO_LONGER_KNOWN;

/** Whether Batch has forgotten a job: submitted long ago, and missing at every look for long. */
export const isForgotten = (
  { submittedMs, missing }: { submittedMs: number; missing: Missing },
  nowMs: number,
): boolean =>
  missing.looks >= FORGOTTEN_LOOKS &&
  nowMs - submittedMs >= FORGOTTEN_AGE_MS &&
  nowMs - missing.sinceMs >= FORGOTTEN_MISSING_MS;

/**
 * How long each job is missing, by its submission; jobs that were seen are left out.
 * @param before the same, as of the look before
 */
export const missingJobs = (
  before: ReadonlyMap<number, Missing>,
  running: readonly { id: number; jobId: string | null }[],
  { seen, nowMs }: { seen: ReadonlyMap<string, unknown>; nowMs: number },
): Map<number, Missing> =>
  new Map(
    running.flatMap(({ id, jobId }): [number, Missing][] => {
      if (seen.has(jobId ?? '')) return [];
      const { sinceMs, looks } = before.get(id) ?? { sinceMs: nowMs, looks: 0 };
      return [[id, { sinceMs, looks: looks + 1 }]];
    }),
  );

interface ForgettableSubmission {
  jobId: string | null;
  size: number;
  submittedMs: number | null;
  createdMs: number;
}

/** A forgotten job as if Batch said that all of it failed; undefined while it may still show up. */
export function forgottenJob(
  { jobId, size, submittedMs, createdMs }: ForgettableSubmission,
  missing: Missing | undefined,
  nowMs: number,
) {
  if (!missing || !isForgotten({ submittedMs: submittedMs ?? nowMs, missing }, nowMs))
    return undefined;
  return {
    jobId: jobId ?? '',
    status: 'FAILED' as const,
    createdMs,
    statusReason: NO_LONGER_KNOWN,
    ...(size > 1 ? { counts: { FAILED: size } } : {}),
  };
}
