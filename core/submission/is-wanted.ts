/** Whether a job of Batch is one that somebody wants, from what MySQL knows of its submission. */
import type { SubmissionState } from './states.ts';

export interface WantedBy {
  state: SubmissionState;
  jobId: string | null;
  endedMs: number | null;
}

/**
 * `twin`: another job of the same submission is watched. `unwanted`: its submission has ended. `stranger`: no row
 * knows it; it may be of a fleet with another database, or of one that was lost, so nobody here may end it.
 */
export const janitorVerdicts = ['wanted', 'twin', 'unwanted', 'stranger'] as const;
export type JanitorVerdict = (typeof janitorVerdicts)[number];

/** @param graceMs a job so young, or of a submission that ended so lately, is left to those whose business it is */
export function judgeJob(
  job: { jobId: string; createdMs: number },
  submission: WantedBy | undefined,
  { nowMs, graceMs }: { nowMs: number; graceMs: number },
): JanitorVerdict {
  if (!submission) return nowMs - job.createdMs > graceMs ? 'stranger' : 'wanted';
  if (submission.state === 'ended')
    return nowMs - (submission.endedMs ?? nowMs) > graceMs ? 'unwanted' : 'wanted';
  const isTwin = submission.state === 'running' && submission.jobId !== job.jobId;
  return isTwin && nowMs - job.createdMs > graceMs ? 'twin' : 'wanted';
}
