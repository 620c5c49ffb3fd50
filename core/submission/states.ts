/**
 * The states of a submission; its rules are in this folder, from packing to the end of its job.
 *
 * packed: the attempts are chosen and the intent is committed.
 * calling: SubmitJob was or is being called; only a lookup of the job's name tells whether Batch
 *   took it.
 * running: Batch returned a job ID.
 * ended: every attempt of it has ended.
 */
export const submissionStates = ['packed', 'calling', 'running', 'ended'] as const;
export type SubmissionState = (typeof submissionStates)[number];
