/**
 * The fence: SubmitJob has no idempotency token, so a lost answer can leave two jobs for one
 * submission. The first to write its id into the submission's `owner` may act; the other may run,
 * but it changes nothing.
 */
import { ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { inSubmission, indexInKey } from '../core/files/s3-layout.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import { readBytes, statusOf } from './s3.ts';

/** For a child, the id of its array: all children of one job are the same owner. */
const jobOf = (batchJobId: string): string => batchJobId.split(':', 1)[0] ?? batchJobId;

export interface Fence {
  /** Id of the job that owns the submission: ours or its twin's. */
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

/** True when this write made us the owner; when false, the owner must be read again. */
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
    // asks for a retry.
    if (status !== 412 && status !== 409) throw error;
    return false;
  }
}

/**
 * Returns the owner of the submission; becomes the owner when there is none.
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
  throw new Error(`The owner of ${submission.key} could not be read or written in 10 tries.`);
}

/**
 * Whether an earlier attempt of Batch has written its result record. When its host is lost right
 * after that, Batch retries an attempt that has finished; its effect must not happen twice.
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
