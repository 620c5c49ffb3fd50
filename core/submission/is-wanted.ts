/** Whether a Batch job is still needed, from what MySQL knows of its submission. */
import type { SubmissionState } from './states.ts';

export interface WantedBy {
  state: SubmissionState;
  jobId: string | null;
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

/**
 * @param graceMs a job younger than this, or whose submission ended more recently, is left alone
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
  return isTwin && nowMs - job.createdMs > graceMs ? 'twin' : 'wanted';
}
