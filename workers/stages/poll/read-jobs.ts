/** Reads jobs from Batch: facts only, no decisions. */
import type { Batch, SeenJob } from '../../../aws/batch.ts';
import { activeStatuses, hasEnded } from '../../../core/submission/job-status.ts';
import { childJobId } from '../../../core/submission/packing.ts';
import { looksByListing } from '../../../core/submission/poll-pace.ts';
import type { SubmissionRow } from '../../../db/submissions.ts';
import { listActiveJobs } from '../../active-jobs.ts';
import type { Runtime } from '../../runtime.ts';

/** The jobs of running submissions, by job id. One request for up to 100 of them. */
export async function readJobs(
  { batch, metrics }: { batch: Pick<Batch, 'list' | 'describe'> } & Pick<Runtime, 'metrics'>,
  queue: string,
  running: readonly Pick<SubmissionRow, 'jobId'>[],
): Promise<Map<string, SeenJob>> {
  const jobIds = running.flatMap(({ jobId }) => (jobId === null ? [] : [jobId]));
  const seen = new Map<string, SeenJob>();
  if (looksByListing(jobIds.length)) {
    const listed = await listActiveJobs(batch, queue);
    metrics.pollRequests.inc({ service: 'batch' }, activeStatuses.length);
    // Jobs of a deleted queue are still described one by one.
    if (listed !== 'queue-unknown') for (const job of listed) seen.set(job.jobId, job);
  }
  const rest = jobIds.filter((id) => !seen.has(id));
  for (const job of await batch.describe(rest)) seen.set(job.jobId, job);
  metrics.pollRequests.inc({ service: 'batch' }, Math.ceil(rest.length / 100));
  return seen;
}

/**
 * The children of an array that have ended, of those with these indexes. A listing of failed
 * children can lag behind the state of their array, so what decides about an attempt that left no
 * record is read of the child itself.
 */
export async function readEndedChildren(
  runtime: Runtime,
  { size }: SubmissionRow,
  { jobId, indexes }: { jobId: string; indexes: readonly number[] },
): Promise<Map<number, SeenJob>> {
  if (indexes.length === 0) return new Map();
  const ids = new Map(indexes.map((index) => [childJobId(jobId, size, index), index]));
  const jobs = await runtime.batch.describe([...ids.keys()]);
  runtime.metrics.pollRequests.inc({ service: 'batch' }, Math.ceil(ids.size / 100));
  return new Map(
    jobs.flatMap((job) => {
      const index = ids.get(job.jobId);
      return index !== undefined && hasEnded(job) ? [[index, job]] : [];
    }),
  );
}

/** The children of an array that run, by index, with when they started where Batch says so. */
export async function readRunningChildren(
  runtime: Runtime,
  jobId: string,
): Promise<Map<number, number | undefined>> {
  const children = await runtime.batch.list({ arrayJobId: jobId }, 'RUNNING');
  runtime.metrics.pollRequests.inc({ service: 'batch' }, Math.ceil((children.length + 1) / 1000));
  return new Map(
    children.flatMap(({ index, startedMs }) => (index === undefined ? [] : [[index, startedMs]])),
  );
}

/** The failed children of an array, by index; for a single job, the job itself. */
export async function readFailedChildren(
  runtime: Runtime,
  submission: SubmissionRow,
  job: SeenJob,
): Promise<Map<number, SeenJob>> {
  if (submission.size === 1) return new Map(job.status === 'FAILED' ? [[0, job]] : []);
  const failed = await runtime.batch.list({ arrayJobId: job.jobId }, 'FAILED');
  runtime.metrics.pollRequests.inc({ service: 'batch' });
  return new Map(
    failed.flatMap((child) => (child.index === undefined ? [] : [[child.index, child]])),
  );
}
