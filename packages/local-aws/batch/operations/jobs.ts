/** DescribeJobs, CancelJob, TerminateJob. */
import { requestAs, nameOf, type BatchContext, type Handler } from '../context.ts';
import { clientException, executionError, isRefusal, type Refusal } from '../errors.ts';
import type { Job } from '../jobs.ts';
import { jobDetail } from './job-views.ts';

const DESCRIBE_LIMIT = 100;

export const describeJobs: Handler = (context, body) => {
  const { jobs: ids } = requestAs<{ jobs: string[] }>(body);
  // Two spaces: AWS's own words.
  if (ids.length > DESCRIBE_LIMIT)
    return clientException(`Maximum number of jobs supported is  ${DESCRIBE_LIMIT}`);
  const jobs: Record<string, unknown>[] = [];
  for (const id of new Set(ids)) {
    const job = context.store.get(nameOf('job', id));
    if (job !== undefined) jobs.push(jobDetail(context, job));
  }
  return { jobs };
};

function findToStop(
  context: BatchContext,
  body: Record<string, unknown>,
): { job: Job; reason: string } | Refusal {
  const { jobId, reason } = requestAs<{ jobId: string; reason: string }>(body);
  if (reason === '') return executionError('Reason should not be null or empty');
  const job = context.store.get(nameOf('job', jobId));
  return job === undefined ? executionError(`Job ${jobId} does not exist`) : { job, reason };
}

export const cancelJob: Handler = (context, body) => {
  const found = findToStop(context, body);
  if (isRefusal(found)) return found;
  context.engine.stop(found.job, 'cancel', found.reason);
  return {};
};

export const terminateJob: Handler = (context, body) => {
  const found = findToStop(context, body);
  if (isRefusal(found)) return found;
  context.engine.stop(found.job, 'terminate', found.reason);
  return {};
};
