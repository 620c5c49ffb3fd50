/** Whether a Batch job is still needed, from what MySQL knows of its submission. */
import type { SubmissionState } from './states.ts';

export interface WantedBy {
  state: SubmissionState;
  jobId: string | null;
  submittedMs: number | null;
  endedMs: number | null;
}

/**
 * `twin`: another job of the same submission is polled. `unwanted`: its submission has ended.
 * `orphan`: its name says that it is of this installation, but no row knows it. Rows are
 * committed before their jobs are submitted, so it was submitted after the backup that was restored,
 * or by a copy of the database.
 */
export const janitorVerdicts = ['wanted', 'twin', 'unwanted', 'orphan'] as const;
export type JanitorVerdict = (typeof janitorVerdicts)[number];

/** Of a look at a queue. `unknown`: AWS Batch has no such queue; a task named it, or it was deleted. */
export const janitorOutcomes = ['tidied', 'unknown', 'failed'] as const;
export type JanitorOutcome = (typeof janitorOutcomes)[number];

/**
 * Acts by the times of the rows. AWS's clock, which `createdMs` is of, only says how soon an orphan is
 * ended: no row can come for it later.
 * @param graceMs a job is left alone for this long after its submission got a job or ended
 */
export function judgeJob(
  job: { jobId: string; createdMs: number },
  submission: WantedBy | undefined,
  { nowMs, graceMs }: { nowMs: number; graceMs: number },
): JanitorVerdict {
  if (!submission) return nowMs - job.createdMs > graceMs ? 'orphan' : 'wanted';
  if (submission.state === 'ended')
    return nowMs - (submission.endedMs ?? nowMs) > graceMs ? 'unwanted' : 'wanted';
  const isTwin = submission.state === 'running' && submission.jobId !== job.jobId;
  return isTwin && nowMs - (submission.submittedMs ?? nowMs) > graceMs ? 'twin' : 'wanted';
}
