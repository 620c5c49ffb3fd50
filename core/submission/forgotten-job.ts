/** When a job that Batch no longer shows counts as ended. */

/** Batch keeps finished jobs for at least 7 days, but one answer may lack a job that exists. */
const FORGOTTEN_AGE_MS = 3_600_000;
const FORGOTTEN_MISSING_MS = 600_000;

/** Whether Batch has forgotten a job: submitted long ago, and missing at every look for long. */
export const isForgotten = (
  { submittedMs, missingSinceMs }: { submittedMs: number; missingSinceMs: number },
  nowMs: number,
): boolean =>
  nowMs - submittedMs >= FORGOTTEN_AGE_MS && nowMs - missingSinceMs >= FORGOTTEN_MISSING_MS;

/**
 * Since when each job is missing, by its submission; jobs that were seen are left out.
 * @param before the same, as of the look before
 */
export const missingSince = (
  before: ReadonlyMap<number, number>,
  running: readonly { id: number; jobId: string | null }[],
  { seen, nowMs }: { seen: ReadonlyMap<string, unknown>; nowMs: number },
): Map<number, number> =>
  new Map(
    running.flatMap(({ id, jobId }): [number, number][] =>
      seen.has(jobId ?? '') ? [] : [[id, before.get(id) ?? nowMs]],
    ),
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
  missingSinceMs: number | undefined,
  nowMs: number,
) {
  const times = { submittedMs: submittedMs ?? nowMs, missingSinceMs: missingSinceMs ?? nowMs };
  if (!isForgotten(times, nowMs)) return undefined;
  return {
    jobId: jobId ?? '',
    status: 'FAILED' as const,
    createdMs,
    statusReason: 'AWS Batch no longer knows the job',
    ...(size > 1 ? { counts: { FAILED: size } } : {}),
  };
}
