/**
 * A copy above CopyObject's limit: part by part, resumed by a later try. S3 keeps neither metadata nor tags of such a
 * copy, so both are read from the source and given to the upload.
 */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCopyCommand,
  type CompletedPart,
  type CreateMultipartUploadCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { isPinned } from '../core/cache/hit-mode.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import type { PinnedCopy, Written } from './copy-request.ts';
import { statusOf } from './s3-errors.ts';
import { inS3 } from './s3-place.ts';

const PARTS_AT_ONCE = 8;

interface OpenUpload {
  uploadId: string;
  /** By number, from 1. */
  parts: Map<number, CompletedPart>;
  warnings: string[];
}

/** Throws what S3 answers. The upload stays open for a later try where the copy is remembered. */
export async function copyInParts(client: S3Client, copy: PinnedCopy): Promise<Written> {
  const upload = (await resume(client, copy)) ?? (await begin(client, copy));
  try {
    await copyMissingParts(client, copy, upload);
    const written = await complete(client, copy, upload);
    await copy.uploads?.forget();
    return written;
  } catch (error) {
    // What was copied of a source that has changed is of no use, and a cancelled copy is not wanted.
    const isResumed =
      copy.uploads !== undefined && copy.signal?.aborted !== true && canBeResumed(error);
    if (!isResumed) {
      await abortUpload(client, copy.to, upload.uploadId).catch(() => undefined);
      await copy.uploads?.forget();
    }
    throw error;
  }
}

const canBeResumed = (error: unknown): boolean => {
  const status = statusOf(error);
  return (error as Error).name !== 'NoSuchUpload' && (status < 300 || status >= 500);
};

async function resume(client: S3Client, copy: PinnedCopy): Promise<OpenUpload | undefined> {
  const known = await copy.uploads?.recall();
  if (known === undefined) return undefined;
  if (known === 'begun') {
    await abortEmptyUploads(client, copy.to);
    return undefined;
  }
  const parts = await partsOf(client, copy, known.uploadId);
  return parts && { uploadId: known.uploadId, parts, warnings: [] };
}

/** Undefined when the upload has ended. */
async function partsOf(
  client: S3Client,
  { to, signal }: PinnedCopy,
  uploadId: string,
): Promise<Map<number, CompletedPart> | undefined> {
  const parts = new Map<number, CompletedPart>();
  try {
    for (let after: string | undefined; ;) {
      const page = await client.send(
        new ListPartsCommand({ ...inS3(to), UploadId: uploadId, PartNumberMarker: after }),
        signal && { abortSignal: signal },
      );
      for (const { PartNumber = 0, ETag, ChecksumCRC64NVME } of page.Parts ?? [])
        parts.set(PartNumber, { PartNumber, ETag, ChecksumCRC64NVME });
      if (page.IsTruncated !== true) return parts;
      after = page.NextPartNumberMarker;
    }
  } catch (error) {
    if ((error as Error).name === 'NoSuchUpload') return undefined;
    throw error;
  }
}

async function begin(client: S3Client, copy: PinnedCopy): Promise<OpenUpload> {
  const { kept, warnings } = await keptOfSource(client, copy);
  await copy.uploads?.begin();
  const { UploadId = '' } = await client.send(
    new CreateMultipartUploadCommand({
      ...inS3(copy.to),
      ...kept,
      ChecksumAlgorithm: 'CRC64NVME',
      ChecksumType: 'FULL_OBJECT',
    }),
    copy.signal && { abortSignal: copy.signal },
  );
  const counts = (await copy.uploads?.note(UploadId)) ?? UploadId;
  if (counts !== UploadId) await abortUpload(client, copy.to, UploadId);
  const parts = counts === UploadId ? undefined : await partsOf(client, copy, counts);
  return { uploadId: counts, parts: parts ?? new Map(), warnings };
}

type Kept = Pick<
  CreateMultipartUploadCommandInput,
  | 'CacheControl'
  | 'ContentDisposition'
  | 'ContentEncoding'
  | 'ContentLanguage'
  | 'ContentType'
  | 'Metadata'
  | 'Tagging'
>;

async function keptOfSource(
  client: S3Client,
  { source, from, pin, signal }: PinnedCopy,
): Promise<{ kept: Kept; warnings: string[] }> {
  const at = {
    ...inS3(source),
    ...(pin.CopySource.includes('?versionId=') &&
      isPinned(from.versionId) && { VersionId: from.versionId ?? '' }),
  };
  const options = signal && { abortSignal: signal };
  const head = await client.send(
    new HeadObjectCommand({
      ...at,
      ...(pin.CopySourceIfMatch !== undefined && { IfMatch: pin.CopySourceIfMatch }),
    }),
    options,
  );
  const { CacheControl, ContentDisposition, ContentEncoding, ContentLanguage } = head;
  const described = { CacheControl, ContentDisposition, ContentEncoding, ContentLanguage };
  const kept = { ...described, ContentType: head.ContentType, Metadata: head.Metadata };
  try {
    const { TagSet = [] } = await client.send(new GetObjectTaggingCommand(at), options);
    const tags = new URLSearchParams(
      TagSet.map(({ Key = '', Value = '' }): [string, string] => [Key, Value]),
    );
    return {
      kept: { ...kept, ...(tags.size > 0 && { Tagging: tags.toString() }) },
      warnings: [],
    };
  } catch (error) {
    if (statusOf(error) !== 403) throw error;
    return {
      kept,
      warnings: [`The tags of ${from.url} may not be read, so the copy of it has no tags.`],
    };
  }
}

async function copyMissingParts(
  client: S3Client,
  copy: PinnedCopy,
  { uploadId, parts }: OpenUpload,
): Promise<void> {
  const { from, to, pin, limits, signal } = copy;
  const count = Math.ceil(from.sizeBytes / limits.partBytes);
  const missing = Array.from({ length: count }, (_, position) => position + 1).filter(
    (number) => !parts.has(number),
  );
  let failed = false;
  const copyNext = async (): Promise<void> => {
    for (let number = missing.shift(); number !== undefined; number = missing.shift()) {
      if (failed) return;
      const first = (number - 1) * limits.partBytes;
      const last = Math.min(first + limits.partBytes, from.sizeBytes) - 1;
      const { CopyPartResult: reply } = await client.send(
        new UploadPartCopyCommand({
          ...inS3(to),
          ...pin,
          UploadId: uploadId,
          PartNumber: number,
          CopySourceRange: `bytes=${first}-${last}`,
        }),
        signal && { abortSignal: signal },
      );
      const { ETag, ChecksumCRC64NVME } = reply ?? {};
      parts.set(number, { PartNumber: number, ETag, ChecksumCRC64NVME });
    }
  };
  // All of them end before the upload is given up: a part that arrives after an abort is billed.
  const ended = await Promise.allSettled(
    Array.from({ length: Math.min(PARTS_AT_ONCE, missing.length) }, () =>
      copyNext().catch((error: unknown) => {
        failed = true;
        throw error;
      }),
    ),
  );
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
}

/** S3 refuses to make the object when its checksum or size is not the one expected. */
async function complete(
  client: S3Client,
  { from, to, signal }: PinnedCopy,
  { uploadId, parts, warnings }: OpenUpload,
): Promise<Written> {
  const sorted = [...parts].toSorted(([a], [b]) => a - b).map(([, part]) => part);
  const { ETag, ChecksumCRC64NVME } = await client.send(
    new CompleteMultipartUploadCommand({
      ...inS3(to),
      UploadId: uploadId,
      MultipartUpload: { Parts: sorted },
      ChecksumCRC64NVME: from.crc64nvme,
      ChecksumType: 'FULL_OBJECT',
      MpuObjectSize: from.sizeBytes,
    }),
    signal && { abortSignal: signal },
  );
  return { etag: ETag, crc64nvme: ChecksumCRC64NVME, warnings };
}

/** An upload that has ended is aborted as well. */
export async function abortUpload(client: S3Client, to: S3Place, uploadId: string): Promise<void> {
  try {
    await client.send(new AbortMultipartUploadCommand({ ...inS3(to), UploadId: uploadId }));
  } catch (error) {
    if ((error as Error).name !== 'NoSuchUpload') throw error;
  }
}

/**
 * A crash came between the creation of an upload and the note of its id: it has no part. Those that have parts are
 * other programs'.
 */
export async function abortEmptyUploads(client: S3Client, to: S3Place): Promise<void> {
  const { Uploads = [] } = await client.send(
    new ListMultipartUploadsCommand({ Bucket: to.bucket, Prefix: to.key }),
  );
  for (const { Key, UploadId } of Uploads) {
    if (Key !== to.key || UploadId === undefined) continue;
    const { Parts = [] } = await client.send(
      new ListPartsCommand({ ...inS3(to), UploadId, MaxParts: 1 }),
    );
    if (Parts.length === 0) await abortUpload(client, to, UploadId);
  }
}
