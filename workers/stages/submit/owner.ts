/**
 * The owner object of a submission, in S3: it names the one job whose containers have an effect.
 */
import { inSubmission, submissionPrefix } from '../../../core/files/s3-layout.ts';
import type { Runtime } from '../../runtime.ts';

/** The owner of a submission that must not run: no job has this id. */
export const NO_JOB = 'cancelled';

/** Writes the job id as the owner unless there is one already. Returns the owner. */
export async function claimOwner(runtime: Runtime, key: string, jobId: string): Promise<string> {
  const url = runtime.workUrl(submissionPrefix(key) + inSubmission.owner);
  if ((await runtime.objects.put(url, jobId, { ifAbsent: true })) === 'written') return jobId;
  const owner = await runtime.objects.get(url);
  if (!owner)
    throw new Error(
      `The owner object ${url} exists but cannot be read. ` +
        "Check that the worker's role can read it.",
    );
  return owner.toString('utf8').trim();
}
