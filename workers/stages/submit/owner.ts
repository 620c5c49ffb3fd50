/**
 * The owner object of a submission, in S3: it names the one job whose containers have an effect.
 */
import { inSubmission, submissionPrefix } from '../../../core/files/s3-layout.ts';
import {
  LONGEST_OWNER_BYTES,
  readOwner,
  writeOwner,
} from '../../../core/submission/owner-object.ts';
import type { SubmissionRow } from '../../../db/submissions.ts';
import type { Runtime } from '../../runtime.ts';

/** The owner of a submission that must not run: no job has this id. */
export const NO_JOB = 'cancelled';

/** As often as somebody else may write it in between. */
const TRIES = 10;

/**
 * Writes the job id as the owner unless there is one already; an object that carries no proof is
 * replaced. Returns the owner.
 */
export async function claimOwner(
  runtime: Runtime,
  submission: Pick<SubmissionRow, 'submissionKey' | 'secret' | 'installation' | 'owner'>,
  jobId: string,
): Promise<string> {
  const { objects, log, metrics } = runtime;
  const url = runtime.workUrl(submissionPrefix(submission) + inSubmission.owner);
  const content = writeOwner(submission.secret, jobId);
  if ((await objects.put(url, content, { ifAbsent: true })) === 'written') return jobId;
  for (let tried = 1; tried <= TRIES; tried += 1) {
    const found = await objects.read(url, { mostBytes: LONGEST_OWNER_BYTES });
    const owner = found && readOwner(submission.secret, found.body.toString('utf8'));
    if (owner !== undefined) return owner;
    if (found) {
      metrics.unprovenObjects.inc({ kind: 'owner' });
      log.error({ submission: submission.submissionKey, url }, 'unproven-object');
    }
    const condition = found ? { ifEtag: found.etag } : { ifAbsent: true };
    if ((await objects.put(url, content, condition)) === 'written') return jobId;
  }
  throw new Error(`The owner object ${url} was changed by others in each of ${TRIES} tries.`);
}
