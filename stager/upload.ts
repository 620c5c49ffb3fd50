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
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { combineCrc } from '../core/cache/crc-combine.ts';
import { formatS3Url } from '../core/files/s3-url.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import { inBase64, startDigest } from './digest.ts';
import { allSettled, limitTo } from './limit.ts';
import { ChangedError, readRange } from './open-file.ts';
import type { ByteSpan } from './open-file.ts';
import { FinalError, persist, statusOf, TRIES } from './s3.ts';

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
   * Writes the file in up to five tries. A failed multipart upload is aborted. Of a file that grows
   * meanwhile, the bytes that it had at first are written.
   * @throws the last failure
   */
  upload(from: string | OpenFile, to: S3Place, contentType: string): Promise<Uploaded>;
  /** Writes the object without bytes that stands for an empty folder: its key ends in '/'. */
  markFolder(to: S3Place): Promise<Uploaded>;
  /**
   * Aborts the multipart uploads in progress, because S3 bills unfinished ones until they are
   * aborted.
   */
  abandon(): Promise<void>;
}

/** A file that may have lost its name. It stays open. */
interface OpenFile {
  file: FileHandle;
  /** For people. */
  path: string;
}

/** What is uploaded of an open file: this many bytes, whatever is written to it meanwhile. */
interface Source {
  file: FileHandle;
  sizeBytes: number;
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

const everyByteOf = ({ sizeBytes }: Source): ByteSpan => ({ start: 0, end: sizeBytes - 1 });

async function digestOf(file: FileHandle, span: ByteSpan): Promise<Uint8Array> {
  const digest = startDigest('CRC64NVME');
  for await (const chunk of readRange(file, span)) digest.update(chunk);
  return digest.sum();
}

/**
 * Calls `send` with these bytes as a stream. The SDK does not hear of a stream that fails, and would
 * wait for its other half.
 */
async function sendStream<T>(
  file: FileHandle,
  span: ByteSpan,
  send: (body: Readable, abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  const body = Readable.from(readRange(file, span), { objectMode: false });
  const aborted = new AbortController();
  let failure: Error | undefined;
  body.once('error', (error) => {
    failure = error;
    aborted.abort();
  });
  try {
    return await send(body, aborted.signal);
  } catch (error) {
    throw failure ?? error;
  } finally {
    body.destroy();
  }
}

async function putWhole(
  s3: S3Client,
  source: Source,
  to: S3Place,
  contentType: string,
): Promise<Uploaded> {
  const { file, sizeBytes } = source;
  const span = everyByteOf(source);
  return persist(async () => {
    const target = { Bucket: to.bucket, Key: to.key, ContentType: contentType };
    if (sizeBytes <= IN_MEMORY_UP_TO_BYTES) {
      const chunks: Buffer[] = [];
      for await (const chunk of readRange(file, span)) chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      const digest = startDigest('CRC64NVME');
      digest.update(bytes);
      const crc64nvme = inBase64(await digest.sum());
      const answer = await s3.send(
        new PutObjectCommand({ ...target, Body: bytes, ChecksumCRC64NVME: crc64nvme }),
      );
      return { sizeBytes, crc64nvme, ...writtenAs(answer) };
    }
    // Read twice, the second time from the page cache: memory stays at one chunk, and S3 verifies
    // the body.
    const crc64nvme = inBase64(await digestOf(file, span));
    const answer = await sendStream(file, span, (Body, abortSignal) =>
      s3.send(
        new PutObjectCommand({
          ...target,
          Body,
          ContentLength: sizeBytes,
          ChecksumCRC64NVME: crc64nvme,
        }),
        { abortSignal },
      ),
    );
    return { sizeBytes, crc64nvme, ...writtenAs(answer) };
  });
}

/** CRC64NVME of no bytes. */
const NOTHING_CRC = 'AAAAAAAAAAA=';

const putMarker = (s3: S3Client, to: S3Place): Promise<Uploaded> =>
  persist(async () => {
    const answer = await s3.send(
      new PutObjectCommand({
        Bucket: to.bucket,
        Key: to.key,
        Body: new Uint8Array(),
        ContentType: 'application/x-directory',
        ChecksumCRC64NVME: NOTHING_CRC,
      }),
    );
    return { sizeBytes: 0, crc64nvme: NOTHING_CRC, ...writtenAs(answer) };
  });

async function putPart(
  s3: S3Client,
  file: FileHandle,
  { to, id }: OpenUpload,
  part: Part,
): Promise<{ done: CompletedPart; sum: Uint8Array }> {
  return persist(async () => {
    const sum = await digestOf(file, part);
    const crc = inBase64(sum);
    const answer = await sendStream(file, part, (Body, abortSignal) =>
      s3.send(
        new UploadPartCommand({
          Bucket: to.bucket,
          Key: to.key,
          UploadId: id,
          PartNumber: part.number,
          Body,
          ContentLength: part.end - part.start + 1,
          ChecksumCRC64NVME: crc,
        }),
        { abortSignal },
      ),
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
  warn: (text: string) => void;
}

/** @param warn told what happened to a file while it was uploaded */
export function createUploader(
  s3: S3Client,
  warn: (text: string) => void = () => undefined,
): Uploader {
  const uploads: Uploads = { s3, open: new Set(), files: limitTo(6), parts: limitTo(6), warn };
  return {
    upload: (from, to, contentType) =>
      uploads.files(async () => {
        if (typeof from !== 'string') return putSteadily(uploads, from, to, contentType);
        const file = await open(from, 'r');
        try {
          return await putSteadily(uploads, { file, path: from }, to, contentType);
        } finally {
          await file.close();
        }
      }),
    markFolder: (to) => uploads.files(() => putMarker(s3, to)),
    abandon: async () =>
      void (await Promise.allSettled([...uploads.open].map((one) => abort(uploads, one)))),
  };
}

/** S3 received other bytes than were summed: somebody writes to the file, or the network failed. */
const isOtherBytes = (error: unknown): boolean =>
  error instanceof ChangedError || (error instanceof Error && error.name === 'BadDigest');

/** Takes a size once and writes that many bytes; again where they changed meanwhile. */
async function putSteadily(
  uploads: Uploads,
  { file, path }: OpenFile,
  to: S3Place,
  contentType: string,
): Promise<Uploaded> {
  const { size: firstBytes } = await file.stat();
  for (let tried = 1, sizeBytes = firstBytes; ; tried += 1) {
    try {
      const source = { file, sizeBytes };
      const written =
        sizeBytes <= ONE_PUT_UP_TO_BYTES
          ? await putWhole(uploads.s3, source, to, contentType)
          : await putInParts(uploads, source, to, contentType);
      const { size: lastBytes } = await file.stat();
      if (lastBytes !== sizeBytes || sizeBytes !== firstBytes)
        uploads.warn(
          `${path} went from ${firstBytes} to ${lastBytes} bytes while it was written to ` +
            `${formatS3Url(to)}, which has its first ${sizeBytes} bytes.`,
        );
      return written;
    } catch (error) {
      if (!isOtherBytes(error)) throw error;
      if (tried >= TRIES)
        throw new FinalError(`${path} was changed each time it was read, ${tried} times`);
      ({ size: sizeBytes } = await file.stat());
    }
  }
}

async function putInParts(
  uploads: Uploads,
  source: Source,
  to: S3Place,
  contentType: string,
): Promise<Uploaded> {
  const upload = await openUpload(uploads, to, contentType);
  try {
    const written = await putParts(uploads, source, upload);
    uploads.open.delete(upload);
    return { sizeBytes: source.sizeBytes, ...written };
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
  { file, sizeBytes }: Source,
  upload: OpenUpload,
): Promise<Omit<Uploaded, 'sizeBytes'>> {
  const cuts = partsOf(sizeBytes);
  const ended = await allSettled(cuts.map((part) => parts(() => putPart(s3, file, upload, part))));
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
