/** The unfinished jobs of a Batch queue: five list calls. */
import { append } from '../core/append.ts';
import { isQueueUnknown } from '../aws/answers.ts';
import type { Batch, SeenJob } from '../aws/batch.ts';
import { activeStatuses } from '../core/submission/job-status.ts';

/**
 * A task can name a queue that does not exist, and a queue can be deleted while tasks are in it; AWS
 * then ends its jobs.
 */
export async function listActiveJobs(
  batch: Pick<Batch, 'list'>,
  queue: string,
): Promise<SeenJob[] | 'queue-unknown'> {
  const jobs: SeenJob[] = [];
  try {
    for (const status of activeStatuses) append(jobs, await batch.list({ queue }, status));
  } catch (error) {
    if (isQueueUnknown(error)) return 'queue-unknown';
    throw error;
  }
  return jobs;
}
