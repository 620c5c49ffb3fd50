/**
 * packed: the attempts are chosen and the intent is committed.
 * calling: SubmitJob was or is being called; only a listing of the job's name tells whether it was heard.
 * running: Batch gave a job id.
 * ended: every attempt of it has ended.
 */
export const submissionStates = ['packed', 'calling', 'running', 'ended'] as const;
export type SubmissionState = (typeof submissionStates)[number];
