/**
 * Downloads one file from S3 or the web: streamed, checked for size and checksum, and put in place
 * whole or not at all.
 */
import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { combineCrc } from '../core/cache/crc-combine.ts';
import type { CrcName } from '../core/cache/crc-combine.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import type { ByteRange } from '../core/submission/manifest.ts';
import { algorithms, digestFile, inBase64, isCrc, startDigest } from './digest.ts';
import type { Algorithm, Digest } from './digest.ts';
import { allSettled, limitTo } from './limit.ts';
import { persist, rangeHeader, FinalError } from './s3.ts';

/** Larger files are fetched in parts of 16 MiB, several at once. */
const WHOLE_UP_TO_BYTES = 64 * 1_048_576;
const PART_BYTES = 16 * 1_048_576;

/**
 * Bodies read at once. Each holds one chunk (64 KiB) and its socket's buffer, so this limits memory
 * as well as connections, whatever the number and size of the files. The stager runs within the
 * task's own memory limit.
 */
const body = limitTo(16);

/** Files open at once: a folder of 100,000 must not open them all. */
const files = limitTo(16);

/** The checksum of the whole object according to S3. */
interface Expected {
  algorithm: Algorithm;
  base64: string;
}

/**
 * The first checksum that S3 has of the whole object (not of its parts), else the ETag if it is an
 * MD5.
 */
function expectedChecksum(answer: GetObjectCommandOutput): Expected | undefined {
  const kept: Partial<Record<Algorithm, string | undefined>> = {
    CRC64NVME: answer.ChecksumCRC64NVME,
    CRC32: answer.ChecksumCRC32,
    CRC32C: answer.ChecksumCRC32C,
    SHA256: answer.ChecksumSHA256,
    SHA512: answer.ChecksumSHA512,
    SHA1: answer.ChecksumSHA1,
  };
  for (const algorithm of algorithms) {
    const base64 = kept[algorithm];
    // "…-3" is a checksum of three parts' checksums, which depends on how the object was cut into
    // parts.
    if (base64 !== undefined && answer.ChecksumType !== 'COMPOSITE' && !/-\d+$/.test(base64))
      return { algorithm, base64 };
  }
  const etag = /^"?([0-9a-f]{32})"?$/.exec(answer.ETag ?? '')?.[1];
  const plain =
    answer.ServerSideEncryption === undefined || answer.ServerSideEncryption === 'AES256';
  return etag !== undefined && plain && answer.SSECustomerAlgorithm === undefined
    ? { algorithm: 'MD5', base64: Buffer.from(etag, 'hex').toString('base64') }
    : undefined;
}

/** @returns bytes written, from `position` on */
async function pour(
  from: AsyncIterable<Uint8Array>,
  file: FileHandle,
  position: number,
  digest: Pick<Digest, 'update'> | undefined,
): Promise<number> {
  let written = 0;
  for await (const chunk of from) {
    digest?.update(chunk);
    for (let done = 0; done < chunk.length;)
      done += (await file.write(chunk, done, chunk.length - done, position + written + done))
        .bytesWritten;
    written += chunk.length;
  }
  return written;
}

function streamOf(answer: GetObjectCommandOutput): Readable {
  if (!(answer.Body instanceof Readable)) throw new Error('S3 returned no body');
  return answer.Body;
}

function requireSize(read: number, expected: number): void {
  if (read !== expected) throw new Error(`received ${read} bytes instead of ${expected}`);
}

function requireSum(sum: Uint8Array, expected: Expected): void {
  const found = inBase64(sum);
  if (found !== expected.base64)
    throw new Error(
      `its ${expected.algorithm} checksum is ${found}, but S3 has ${expected.base64}`,
    );
}

/** The CRCs that a download computes: what S3 keeps, and CRC64NVME, by which the call cache knows the bytes. */
const crcsFor = (expected: Expected | undefined): CrcName[] => [
  ...new Set<CrcName>([
    'CRC64NVME',
    ...(expected && isCrc(expected.algorithm) ? [expected.algorithm] : []),
  ]),
];

type Sums = ReadonlyMap<Algorithm, Uint8Array>;

/** Several sums of the same bytes, in one pass. */
function startDigests(algorithms: readonly Algorithm[]): {
  update: Digest['update'];
  sums(): Promise<Sums>;
} {
  const digests = new Map(algorithms.map((algorithm) => [algorithm, startDigest(algorithm)]));
  return {
    update: (chunk) => {
      for (const digest of digests.values()) digest.update(chunk);
    },
    async sums() {
      const sums = new Map<Algorithm, Uint8Array>();
      for (const [algorithm, digest] of digests) sums.set(algorithm, await digest.sum());
      return sums;
    },
  };
}

/** What is fetched, and where to. */
interface Fetch {
  s3: S3Client;
  place: S3Place;
  file: FileHandle;
  path: string;
}

async function fetchPart(
  { s3, place, file }: Fetch,
  range: ByteRange,
  etag: string | undefined,
  crcs: readonly CrcName[],
): Promise<Sums> {
  return body(() =>
    persist(async () => {
      // If-Match: a file that is replaced during the download must not become a mixture.
      const answer = await s3.send(
        new GetObjectCommand({
          Bucket: place.bucket,
          Key: place.key,
          Range: rangeHeader(range),
          ...(etag && { IfMatch: etag }),
        }),
      );
      const digests = startDigests(crcs);
      requireSize(
        await pour(streamOf(answer), file, range.start, digests),
        range.end - range.start + 1,
      );
      return digests.sums();
    }),
  );
}

/** @returns the CRC64NVME of the whole */
async function fetchInParts(
  fetch: Fetch,
  sizeBytes: number,
  answer: GetObjectCommandOutput,
): Promise<Uint8Array | undefined> {
  const expected = expectedChecksum(answer);
  const ranges = Array.from({ length: Math.ceil(sizeBytes / PART_BYTES) }, (_, part) => ({
    start: part * PART_BYTES,
    end: Math.min(sizeBytes, (part + 1) * PART_BYTES) - 1,
  }));
  const crcs = crcsFor(expected);
  const sums = await allSettled(ranges.map((range) => fetchPart(fetch, range, answer.ETag, crcs)));
  const whole = new Map(crcs.map((crc) => [crc, combined(crc, sums, ranges)]));
  if (expected) {
    const sum = isCrc(expected.algorithm)
      ? whole.get(expected.algorithm)
      : await digestFile(fetch.path, expected.algorithm);
    if (sum) requireSum(sum, expected);
  }
  return whole.get('CRC64NVME');
}

const combined = (
  crc: CrcName,
  parts: readonly Sums[],
  ranges: readonly ByteRange[],
): Uint8Array | undefined =>
  parts
    .map((sums) => sums.get(crc))
    .reduce((sum, next, part) => {
      const range = ranges[part];
      return sum && next && range
        ? combineCrc(crc, sum, next, range.end - range.start + 1)
        : undefined;
    });

/**
 * GetObject that requests the checksum by its header. With `ChecksumMode` the SDK would also
 * compute the checksum of the body, which doubled the CPU of a download.
 */
async function getWithChecksums(s3: S3Client, place: S3Place): Promise<GetObjectCommandOutput> {
  const command = new GetObjectCommand({ Bucket: place.bucket, Key: place.key });
  command.middlewareStack.add(
    (next) => (args) => {
      const { request } = args;
      if (typeof request === 'object' && request !== null && 'headers' in request)
        Object.assign(request.headers as object, { 'x-amz-checksum-mode': 'ENABLED' });
      return next(args);
    },
    { step: 'build', name: 'askForChecksums' },
  );
  return s3.send(command);
}

async function fetchS3(fetch: Fetch): Promise<Downloaded> {
  const { s3, place, file } = fetch;
  const first = await body(async () => {
    const answer = await getWithChecksums(s3, place);
    const expected = expectedChecksum(answer);
    const sizeBytes = answer.ContentLength ?? 0;
    if (sizeBytes > WHOLE_UP_TO_BYTES) {
      // Only the headers are needed. Small files, which are the most, cost no extra request this
      // way.
      streamOf(answer).destroy();
      return { answer, sizeBytes };
    }
    const digests = startDigests([
      ...crcsFor(expected),
      ...(expected && !isCrc(expected.algorithm) ? [expected.algorithm] : []),
    ]);
    requireSize(await pour(streamOf(answer), file, 0, digests), sizeBytes);
    const sums = await digests.sums();
    const sum = expected && sums.get(expected.algorithm);
    if (expected && sum) requireSum(sum, expected);
    return { answer, sizeBytes, crc: sums.get('CRC64NVME') };
  });
  const { answer, sizeBytes } = first;
  const crc =
    sizeBytes > WHOLE_UP_TO_BYTES ? await fetchInParts(fetch, sizeBytes, answer) : first.crc;
  return {
    sizeBytes,
    etag: (answer.ETag ?? '').replaceAll('"', ''),
    ...(crc && { crc64nvme: inBase64(crc) }),
  };
}

async function fetchWeb(url: string, file: FileHandle): Promise<Downloaded> {
  return body(async () => {
    const answer = await fetch(url, { signal: AbortSignal.timeout(24 * 3_600_000) });
    if (!answer.ok) {
      await answer.body?.cancel();
      const refused =
        answer.status >= 400 &&
        answer.status < 500 &&
        answer.status !== 408 &&
        answer.status !== 429;
      throw refused
        ? new FinalError(`HTTP ${answer.status} ${answer.statusText}`)
        : new Error(`HTTP ${answer.status} ${answer.statusText}`);
    }
    const read = answer.body ? await pour(answer.body, file, 0, undefined) : 0;
    const length = answer.headers.get('content-length');
    // The length of a compressed answer counts the compressed bytes.
    if (length !== null && answer.headers.get('content-encoding') === null)
      requireSize(read, Number(length));
    return { sizeBytes: read };
  });
}

export interface Downloaded {
  sizeBytes: number;
  /** As S3 answered, without quotes; absent for what comes from the web. */
  etag?: string;
  /** base64; of what came from S3. */
  crc64nvme?: string;
}

export type Source = S3Place | { web: string };

/** Suffix of an incomplete file, in the folder where the whole file will be. */
export const PART_SUFFIX = '.batchwell-part';

/**
 * Fetches one file in up to five tries, and puts it at `path` by a rename.
 * @throws the last failure
 */
export const download = (s3: S3Client, source: Source, path: string): Promise<Downloaded> =>
  files(() => downloadNow(s3, source, path));

async function downloadNow(s3: S3Client, source: Source, path: string): Promise<Downloaded> {
  await mkdir(dirname(path), { recursive: true });
  const unfinished = `${path}${PART_SUFFIX}`;
  try {
    const downloaded = await persist(async () => {
      const file = await open(unfinished, 'w');
      try {
        return 'web' in source
          ? await fetchWeb(source.web, file)
          : await fetchS3({ s3, place: source, file, path: unfinished });
      } finally {
        await file.close();
      }
    });
    await rename(unfinished, path);
    return downloaded;
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}
