/**
 * The owner object of a submission: the id of the one job whose containers have an effect, and a
 * proof that the fleet or one of its containers wrote it.
 */
import { isProof, proofOf } from './proof.ts';

/** Longer objects are none of ours. */
export const LONGEST_OWNER_BYTES = 1024;

/** The object's content. @param jobId of the job; for an array, of its parent */
export const writeOwner = (secret: Buffer, jobId: string): string =>
  `${jobId} ${proofOf(secret, 'owner', [], jobId).toString('base64url')}`;

/** The job's id; undefined when the content carries no valid proof. */
export function readOwner(secret: Buffer, content: string): string | undefined {
  const [jobId = '', proof = '', ...more] = content.split(' ');
  const expected = proofOf(secret, 'owner', [], jobId);
  return more.length === 0 && isProof(Buffer.from(proof, 'base64url'), expected)
    ? jobId
    : undefined;
}
