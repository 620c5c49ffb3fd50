/** Copies within S3: by one request up to its limit, above that part by part. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  UploadPartCopyCommand,
  type CompletedPart,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { S3Place } from '../core/files/s3-url.ts';
import { failedOn } from './s3-errors.ts';
import { inS3, placeOf } from './s3-place.ts';

/** CopyObject's limit, bytes (source: Amazon S3 API). */
const LARGEST_COPY = 5 * 1024 ** 3;
const COPY_PART = 512 * 1024 ** 2;
const COPY_PARTS_AT_ONCE = 8;

interface Copy {
  fromUrl: string;
  toUrl: string;
  sizeBytes: number;
}

/** Copying an object onto itself does nothing. */
export async function copyObject(
  client: S3Client,
  { fromUrl, toUrl, sizeBytes }: Copy,
): Promise<void> {
  if (fromUrl === toUrl) return;
  const [from, to] = [placeOf(fromUrl), placeOf(toUrl)];
  try {
    if (sizeBytes > LARGEST_COPY) await copyInParts(client, { from, to, sizeBytes });
    else await client.send(new CopyObjectCommand({ ...inS3(to), CopySource: copySource(from) }));
  } catch (error) {
    throw failedOn('copy', `${fromUrl} to ${toUrl}`, error);
  }
}

interface CopyInParts {
  from: S3Place;
  to: S3Place;
  sizeBytes: number;
}

/** A failed multipart upload is billed until it is aborted, so it is aborted whatever the error. */
async function copyInParts(client: S3Client, { from, to, sizeBytes }: CopyInParts): Promise<void> {
  const { UploadId } = await client.send(
    new CreateMultipartUploadCommand({
      ...inS3(to),
      ChecksumAlgorithm: 'CRC64NVME',
      ChecksumType: 'FULL_OBJECT',
    }),
  );
  try {
    const parts: CompletedPart[] = [];
    const count = Math.ceil(sizeBytes / COPY_PART);
    let next = 0;
    const copyNext = async (): Promise<void> => {
      for (let position = next++; position < count; position = next++) {
        const first = position * COPY_PART;
        const range = `bytes=${first}-${Math.min(first + COPY_PART, sizeBytes) - 1}`;
        const reply = await client.send(
          new UploadPartCopyCommand({
            ...inS3(to),
            UploadId,
            PartNumber: position + 1,
            CopySource: copySource(from),
            CopySourceRange: range,
          }),
        );
        parts[position] = { ...reply.CopyPartResult, PartNumber: position + 1 };
      }
    };
    await Promise.all(Array.from({ length: Math.min(COPY_PARTS_AT_ONCE, count) }, copyNext));
    await client.send(
      new CompleteMultipartUploadCommand({
        ...inS3(to),
        UploadId,
        MultipartUpload: { Parts: parts },
      }),
    );
  } catch (error) {
    await client
      .send(new AbortMultipartUploadCommand({ ...inS3(to), UploadId }))
      .catch(() => undefined);
    throw error;
  }
}

const copySource = ({ bucket, key }: S3Place): string =>
  `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
