/**
 * The fence: SubmitJob has no idempotency token, so a lost answer can leave two jobs for one
 * submission. The first to write its id into the submission's `owner` may act; the other may run,
 * but changes nothing.
 */
import { ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { inSubmission, indexInKey } from '../core/files/s3-layout.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import { readBytes, statusOf } from './s3.ts';

/** The array's own id for its child: every child of one job is the same owner. */
export const jobOf = (batchJobId: string): string => batchJobId.split(':', 1)[0] ?? batchJobId;

export interface Fence {
  /** The id that holds the submission; ours or a twin's. */
  owner: string;
  mine: boolean;
}

const ownerPlace = (submission: S3Place): S3Place => ({
  bucket: submission.bucket,
  key: submission.key + inSubmission.owner,
});

async function readOwner(s3: S3Client, submission: S3Place): Promise<string | undefined> {
  try {
    return (await readBytes(s3, ownerPlace(submission))).toString('utf8').trim();
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

/** True when it is ours by this write; when false, it has to be read again. */
async function tryToOwn(s3: S3Client, submission: S3Place, job: string): Promise<boolean> {
  const { bucket, key } = ownerPlace(submission);
  try {
    await s3.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: job,
        ContentType: 'text/plain',
        IfNoneMatch: '*',
      }),
    );
    return true;
  } catch (error) {
    const status = statusOf(error);
    // 412: a sibling or a twin was first (or our own first try, whose answer was lost). 409: S3
    // asks to try again.
    if (status !== 412 && status !== 409) throw error;
    return false;
  }
}

/**
 * Who owns the submission; takes it when nobody does.
 * @throws the SDK's error when `owner` can be neither read nor written
 */
export async function takeOrReadFence(
  s3: S3Client,
  submission: S3Place,
  batchJobId: string,
): Promise<Fence> {
  const job = jobOf(batchJobId);
  for (let tried = 1; tried <= 10; tried += 1) {
    const owner = await readOwner(s3, submission);
    if (owner !== undefined) return { owner, mine: owner === job };
    if (await tryToOwn(s3, submission, job)) return { owner: job, mine: true };
  }
  throw new Error(`The owner of ${submission.key} could be neither read nor written in 10 tries.`);
}

/**
 * Whether an earlier attempt of Batch has written its result record. Its host may have been lost
 * right after, so that Batch tries again what had run to its end: that must not have its effect a
 * second time.
 */
export async function hasRecord(
  s3: S3Client,
  submission: S3Place,
  index: number,
): Promise<boolean> {
  const { KeyCount = 0 } = await s3.send(
    new ListObjectsV2Command({
      Bucket: submission.bucket,
      Prefix: `${submission.key}${inSubmission.results}${indexInKey(index)}.`,
      MaxKeys: 1,
    }),
  );
  return KeyCount > 0;
}
