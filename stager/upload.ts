/**
 * Uploads one file to S3 with the CRC64NVME of the whole, which does not depend on how it is cut
 * into parts or copied.
 */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { CompletedPart, S3Client } from '@aws-sdk/client-s3';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { combineCrc } from '../core/cache/crc-combine.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import { digestFile, inBase64, startDigest } from './digest.ts';
import { allSettled, limitTo } from './limit.ts';
import { persist, statusOf } from './s3.ts';
import { openSharedFolders } from './shared-folders.ts';
import type { SharedFolders } from './shared-folders.ts';

const MIB = 1_048_576;
/** Read once, into memory, for both checksum and body. */
const IN_MEMORY_UP_TO_BYTES = MIB;
const ONE_PUT_UP_TO_BYTES = 64 * MIB;
const SMALLEST_PART_BYTES = 16 * MIB;
/** S3's limit. */
const MOST_PARTS = 10_000;

export interface Uploaded {
  sizeBytes: number;
  /** base64 */
  crc64nvme: string;
  /** As S3 answered, without quotes; '' when it gave none. */
  etag: string;
  /** Where the bucket keeps versions. */
  versionId?: string;
}

/** What S3 answered to a write of the whole object. */
const writtenAs = (answer: {
  ETag?: string | undefined;
  VersionId?: string | undefined;
}): Pick<Uploaded, 'etag' | 'versionId'> => ({
  etag: (answer.ETag ?? '').replaceAll('"', ''),
  ...(answer.VersionId !== undefined && { versionId: answer.VersionId }),
});

export interface Uploader {
  /**
   * Writes the file in up to five tries. A failed multipart upload is aborted.
   * @throws the last failure
   */
  upload(path: string, to: S3Place, contentType: string): Promise<Uploaded>;
  /** The same to a path in a folder that hosts share with tasks. */
  copyOut(path: string, to: string): Promise<Uploaded>;
  /**
   * Aborts the multipart uploads in progress, because S3 bills unfinished ones until they are
   * aborted, and removes copies that are not complete.
   */
  abandon(): Promise<void>;
}

interface OpenUpload {
  to: S3Place;
  id: string;
}

interface Part {
  start: number;
  end: number;
  number: number;
}

function partsOf(sizeBytes: number): Part[] {
  const bytes = Math.max(SMALLEST_PART_BYTES, Math.ceil(sizeBytes / MOST_PARTS / MIB) * MIB);
  return Array.from({ length: Math.ceil(sizeBytes / bytes) }, (_, part) => ({
    start: part * bytes,
    end: Math.min(sizeBytes, (part + 1) * bytes) - 1,
    number: part + 1,
  }));
}

async function putWhole(
  s3: S3Client,
  path: string,
  sizeBytes: number,
  to: S3Place,
  contentType: string,
): Promise<Uploaded> {
  return persist(async () => {
    const target = { Bucket: to.bucket, Key: to.key, ContentType: contentType };
    if (sizeBytes <= IN_MEMORY_UP_TO_BYTES) {
      const bytes = await readFile(path);
      const digest = startDigest('CRC64NVME');
      digest.update(bytes);
      const crc64nvme = inBase64(await digest.sum());
      const answer = await s3.send(
        new PutObjectCommand({ ...target, Body: bytes, ChecksumCRC64NVME: crc64nvme }),
      );
      return { sizeBytes: bytes.length, crc64nvme, ...writtenAs(answer) };
    }
    // Read twice, the second time from the page cache: memory stays at one chunk, and S3 verifies
    // the body.
    const crc64nvme = inBase64(await digestFile(path, 'CRC64NVME'));
    const Body = createReadStream(path, { end: sizeBytes - 1 });
    const answer = await s3.send(
      new PutObjectCommand({
        ...target,
        Body,
        ContentLength: sizeBytes,
        ChecksumCRC64NVME: crc64nvme,
      }),
    );
    return { sizeBytes, crc64nvme, ...writtenAs(answer) };
  });
}

async function putPart(
  s3: S3Client,
  path: string,
  { to, id }: OpenUpload,
  part: Part,
): Promise<{ done: CompletedPart; sum: Uint8Array }> {
  return persist(async () => {
    const sum = await digestFile(path, 'CRC64NVME', part);
    const crc = inBase64(sum);
    const answer = await s3.send(
      new UploadPartCommand({
        Bucket: to.bucket,
        Key: to.key,
        UploadId: id,
        PartNumber: part.number,
        Body: createReadStream(path, { start: part.start, end: part.end }),
        ContentLength: part.end - part.start + 1,
        ChecksumCRC64NVME: crc,
      }),
    );
    return { done: { PartNumber: part.number, ETag: answer.ETag, ChecksumCRC64NVME: crc }, sum };
  });
}

async function complete(
  s3: S3Client,
  { to, id }: OpenUpload,
  parts: CompletedPart[],
  crc64nvme: string,
): Promise<Pick<Uploaded, 'etag' | 'versionId'>> {
  try {
    const answer = await s3.send(
      new CompleteMultipartUploadCommand({
        Bucket: to.bucket,
        Key: to.key,
        UploadId: id,
        MultipartUpload: { Parts: parts },
        ChecksumType: 'FULL_OBJECT',
        ChecksumCRC64NVME: crc64nvme,
      }),
    );
    return writtenAs(answer);
  } catch (error) {
    // 404 after a lost answer to an earlier try: the upload no longer exists because it has become
    // the object.
    if (statusOf(error) !== 404) throw error;
    const there = await s3.send(
      new HeadObjectCommand({ Bucket: to.bucket, Key: to.key, ChecksumMode: 'ENABLED' }),
    );
    if (there.ChecksumCRC64NVME !== crc64nvme) throw error;
    return writtenAs(there);
  }
}

interface Uploads {
  s3: S3Client;
  /** Multipart uploads in progress. */
  open: Set<OpenUpload>;
  /**
   * Files and parts have limits of their own: a file that waits for its parts must not take the
   * place of one.
   */
  files: ReturnType<typeof limitTo>;
  parts: ReturnType<typeof limitTo>;
}

export function createUploader(
  s3: S3Client,
  shared: SharedFolders = openSharedFolders({}),
): Uploader {
  const uploads: Uploads = { s3, open: new Set(), files: limitTo(6), parts: limitTo(6) };
  return {
    upload: (path, to, contentType) =>
      uploads.files(async () => {
        const { size } = await stat(path);
        return size <= ONE_PUT_UP_TO_BYTES
          ? putWhole(s3, path, size, to, contentType)
          : putInParts(uploads, path, size, to, contentType);
      }),
    copyOut: (path, to) => shared.copyOut(path, to),
    abandon: async () =>
      void (await Promise.allSettled([
        shared.abandon(),
        ...[...uploads.open].map((one) => abort(uploads, one)),
      ])),
  };
}

async function putInParts(
  uploads: Uploads,
  path: string,
  sizeBytes: number,
  to: S3Place,
  contentType: string,
): Promise<Uploaded> {
  const upload = await openUpload(uploads, to, contentType);
  try {
    const written = await putParts(uploads, path, sizeBytes, upload);
    uploads.open.delete(upload);
    return { sizeBytes, ...written };
  } catch (error) {
    // The error that matters is the file's. If the abort fails too, the bucket's lifecycle rule
    // cleans up.
    await abort(uploads, upload).catch(() => undefined);
    throw error;
  }
}

async function openUpload(
  { s3, open }: Uploads,
  to: S3Place,
  contentType: string,
): Promise<OpenUpload> {
  const { UploadId: id } = await s3.send(
    new CreateMultipartUploadCommand({
      Bucket: to.bucket,
      Key: to.key,
      ContentType: contentType,
      ChecksumAlgorithm: 'CRC64NVME',
      ChecksumType: 'FULL_OBJECT',
    }),
  );
  if (id === undefined) throw new Error('S3 returned no id for the multipart upload');
  const upload = { to, id };
  open.add(upload);
  return upload;
}

async function putParts(
  { s3, parts }: Uploads,
  path: string,
  sizeBytes: number,
  upload: OpenUpload,
): Promise<Omit<Uploaded, 'sizeBytes'>> {
  const cuts = partsOf(sizeBytes);
  const ended = await allSettled(cuts.map((part) => parts(() => putPart(s3, path, upload, part))));
  const [first, ...rest] = ended;
  if (!first) throw new Error('The multipart upload has no parts');
  const sum = rest.reduce((whole, next, behind) => {
    const cut = cuts[behind + 1];
    return cut ? combineCrc('CRC64NVME', whole, next.sum, cut.end - cut.start + 1) : whole;
  }, first.sum);
  const crc64nvme = inBase64(sum);
  const done = ended.map((part) => part.done);
  return { crc64nvme, ...(await complete(s3, upload, done, crc64nvme)) };
}

async function abort({ s3, open }: Uploads, upload: OpenUpload): Promise<void> {
  open.delete(upload);
  await s3.send(
    new AbortMultipartUploadCommand({
      Bucket: upload.to.bucket,
      Key: upload.to.key,
      UploadId: upload.id,
    }),
  );
}
