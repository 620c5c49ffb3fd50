/**
 * The fence: SubmitJob has no idempotency token, so a lost answer can leave two jobs for one
 * submission. The first to write its id into the submission's `owner` may act; the other may run,
 * but it changes nothing.
 */
import {
  GetObjectCommand,
  ListObjectsV2Command,
  paginateListObjectsV2,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { decodeResultKey, indexOfKey } from '../core/result/result-key.ts';
import { inSubmission } from '../core/files/s3-layout.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import { LONGEST_OWNER_BYTES, readOwner, writeOwner } from '../core/submission/owner-object.ts';
import { persist, statusOf } from './s3.ts';

/** For a child, the id of its array: all children of one job are the same owner. */
const jobOf = (batchJobId: string): string => batchJobId.split(':', 1)[0] ?? batchJobId;

/** A submission as its containers know it. */
export interface OwnSubmission {
  submission: S3Place;
  secret: Buffer;
}

export interface Fence {
  /** Id of the job that owns the submission: ours or its twin's. */
  owner: string;
  mine: boolean;
}

/** Where an object of a submission is. */
export const placeIn = (
  { submission }: Pick<OwnSubmission, 'submission'>,
  name: string,
): S3Place => ({
  bucket: submission.bucket,
  key: submission.key + name,
});

const ownerPlace = (submission: S3Place): S3Place => placeIn({ submission }, inSubmission.owner);

interface SeenOwner {
  /** Undefined when the object carries no proof of this submission. */
  owner: string | undefined;
  etag: string;
}

async function findOwner(
  s3: S3Client,
  { submission, secret }: OwnSubmission,
): Promise<SeenOwner | undefined> {
  const { bucket, key } = ownerPlace(submission);
  try {
    return await persist(async () => {
      const answer = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      const etag = answer.ETag ?? '';
      if ((answer.ContentLength ?? 0) > LONGEST_OWNER_BYTES) {
        await answer.Body?.transformToWebStream().cancel();
        return { owner: undefined, etag };
      }
      const content = (await answer.Body?.transformToString()) ?? '';
      return { owner: readOwner(secret, content), etag };
    });
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    if (isUnreadable(error)) return listOwner(s3, { bucket, key });
    throw error;
  }
}

/** Somebody left an object that nobody can read: with a key of their own, or archived. */
const isUnreadable = (error: unknown): boolean =>
  statusOf(error) === 400 ||
  (error instanceof Error && /^(InvalidObjectState|KMS\.?\w*)/.test(error.name));

/** A listing tells the ETag of an object that cannot be read. */
async function listOwner(s3: S3Client, { bucket, key }: S3Place): Promise<SeenOwner | undefined> {
  const { Contents = [] } = await s3.send(
    new ListObjectsV2Command({ Bucket: bucket, Prefix: key, MaxKeys: 1 }),
  );
  const found = Contents.find((one) => one.Key === key);
  return found && { owner: undefined, etag: found.ETag ?? '' };
}

/**
 * True when this write made us the owner; when false, the owner must be read again.
 * @param forged the object to replace, which another program wrote
 */
async function tryToOwn(
  s3: S3Client,
  { submission, secret }: OwnSubmission,
  job: string,
  forged: SeenOwner | undefined,
): Promise<boolean> {
  const { bucket, key } = ownerPlace(submission);
  try {
    await s3.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: writeOwner(secret, job),
        ContentType: 'text/plain',
        ...(forged ? { IfMatch: forged.etag } : { IfNoneMatch: '*' }),
      }),
    );
    return true;
  } catch (error) {
    const status = statusOf(error);
    // 412: a sibling or a twin was first (or our own first try, whose answer was lost). 409: S3
    // asks for a retry. 404: the object to replace is gone.
    if (status !== 412 && status !== 409 && !(forged && status === 404)) throw error;
    return false;
  }
}

/**
 * Returns the owner of the submission; becomes the owner when there is none, or only one without a
 * proof.
 * @throws the SDK's error when `owner` can be neither read nor written
 */
export async function takeOrReadFence(
  s3: S3Client,
  own: OwnSubmission,
  batchJobId: string,
): Promise<Fence> {
  const job = jobOf(batchJobId);
  for (let tried = 1; tried <= 10; tried += 1) {
    const seen = await findOwner(s3, own);
    if (seen?.owner !== undefined) return { owner: seen.owner, mine: seen.owner === job };
    if (await tryToOwn(s3, own, job, seen)) return { owner: job, mine: true };
  }
  throw new Error(`The owner of ${own.submission.key} could not be read or written in 10 tries.`);
}

/**
 * Whether an earlier attempt of Batch has written its result record. When its host is lost right
 * after that, Batch runs the task again although it is done.
 */
export async function hasRecord(
  s3: S3Client,
  { submission, secret }: OwnSubmission,
  index: number,
): Promise<boolean> {
  const folder = submission.key + inSubmission.results;
  // Page by page: somebody may have written many keys that say nothing.
  for await (const { Contents = [] } of paginateListObjectsV2(
    { client: s3 },
    { Bucket: submission.bucket, Prefix: folder },
  ))
    for (const { Key = '' } of Contents) {
      const tail = Key.slice(folder.length);
      if (indexOfKey(tail) === index && decodeResultKey(secret, tail)) return true;
    }
  return false;
}
