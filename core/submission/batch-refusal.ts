/** Whose fault it is that Batch takes neither a job definition nor a job, and what to do about it. */
import { failureOf, type Failure } from '../retry/failures.ts';
import type { Unaccepted } from './decide-submit.ts';

export interface RefusedSubmission {
  submissionKey: string;
  queue: string;
  /** Whether tasks that name no queue run in it. */
  isFleetsQueue: boolean;
  /** Whether the fleet gives every job a share; otherwise one that is there is the task's own. */
  sharesAll: boolean;
}

const SHARE = /share ?identifier|scheduling ?(priority|policy)|fair[ -]?share/i;

/** In AWS's own words. */
export function judgeBatchRefusal(
  { submissionKey, queue, isFleetsQueue, sharesAll }: RefusedSubmission,
  { because, message }: Pick<Unaccepted, 'because' | 'message'>,
): Failure {
  if (because === 'queue-unknown')
    return isFleetsQueue
      ? failureOf(
          'misconfigured',
          `AWS Batch has no job queue ${queue}, which is the queue of the fleet`,
          'Ask the operator to correct the queue of the fleet, then submit the task again.',
        )
      : failureOf('queue-unknown', `AWS Batch has no job queue ${queue}`);
  const fact = `AWS Batch rejected submission ${submissionKey} to queue ${queue}: ${message}`;
  return !sharesAll && SHARE.test(message)
    ? failureOf(
        'request-refused',
        fact,
        'Give share_identifier in backend_parameters only for a queue that has a fair-share ' +
          'scheduling policy, and always for such a queue.',
      )
    : failureOf('batch-refused', fact);
}

/** After a long wait, in AWS's own words. */
export const deniedByBatch = (
  { submissionKey, queue }: Pick<RefusedSubmission, 'submissionKey' | 'queue'>,
  words: string,
): Failure =>
  failureOf(
    'permission-missing',
    `AWS has long denied submission ${submissionKey} to queue ${queue}: ${words}`,
  );
