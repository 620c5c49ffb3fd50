/** Ends the jobs of cancelled tasks. */
import type { SeenJob } from '../../../aws/batch.ts';
import { childJobId } from '../../../core/submission/packing.ts';
import { hasEnded } from '../../../core/submission/job-status.ts';
import type { OpenAttempt } from '../../../db/attempts.ts';
import type { SubmissionRow } from '../../../db/submissions.ts';
import type { Runtime } from '../../runtime.ts';

/** Each is a request of its own: more would delay the polling of the whole queue. */
const CHILDREN_PER_LOOK = 50;

/**
 * Children that this process has asked Batch to end, by their array's job id. Asking again after a
 * restart does no harm.
 */
const asked = new Map<string, Set<number>>();

export interface CancelledWhere {
  submission: SubmissionRow;
  job: SeenJob;
  /** Those of the submission that have not ended. */
  attempts: readonly OpenAttempt[];
}

/**
 * One call ends a whole array. If some of it goes on, children are ended singly, some at each look.
 */
export async function endCancelledJobs(
  runtime: Runtime,
  { submission, job, attempts }: CancelledWhere,
): Promise<void> {
  const cancelled = attempts.filter(({ place }) => place === 'cancelled');
  if (hasEnded(job) || cancelled.length === 0) {
    asked.delete(job.jobId);
    return;
  }
  const reason = 'Batchwell: cancelled by its caller.';
  if (cancelled.length === attempts.length) return runtime.batch.terminate(job.jobId, reason);

  const before = asked.get(job.jobId) ?? new Set();
  asked.set(job.jobId, before);
  for (const { arrayIndex } of cancelled
    .filter((one) => !before.has(one.arrayIndex))
    .slice(0, CHILDREN_PER_LOOK)) {
    await runtime.batch.terminate(childJobId(job.jobId, submission.size, arrayIndex), reason);
    before.add(arrayIndex);
  }
}
