/**
 * Downloads one file from S3 or the web: streamed, checked for size and checksum, and put in place
 * whole or not at all.
 */
import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { makeFolder } from './make-folder.ts';
import { Readable } from 'node:stream';
import { combineCrc } from '../core/cache/crc-combine.ts';
import type { CrcName } from '../core/cache/crc-combine.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import type { ByteRange } from '../core/submission/manifest.ts';
import { algorithms, digestFile, inBase64, isCrc, startDigest } from './digest.ts';
import type { Algorithm, Digest } from './digest.ts';
import { allSettled, limitTo } from './limit.ts';
import { body, pour, requireSize } from './body.ts';
import type { Downloaded, Target } from './body.ts';
import type { Claim } from './room.ts';
import { addHeaders, DeclaredError, persist, rangeHeader } from './s3.ts';
import { fetchWeb } from './web.ts';
import { isCode } from './error-code.ts';

/** Larger files are fetched in parts of 16 MiB, several at once. */
const WHOLE_UP_TO_BYTES = 64 * 1_048_576;
const PART_BYTES = 16 * 1_048_576;

/** Files open at once: a folder of 100,000 must not open them all. */
export const FILES_AT_ONCE = 16;
const files = limitTo(FILES_AT_ONCE);

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

function streamOf(answer: GetObjectCommandOutput): Readable {
  if (!(answer.Body instanceof Readable)) throw new Error('S3 returned no body');
  return answer.Body;
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
  /** Where the bytes are until they are whole. */
  unfinished: string;
  /** Where they will be. */
  path: string;
  target: Target;
}

async function fetchPart(
  { s3, place, file }: Fetch,
  range: ByteRange,
  { etag, crcs, claim }: { etag: string | undefined; crcs: readonly CrcName[]; claim: Claim },
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
        await pour(streamOf(answer), file, range.start, digests, claim),
        range.end - range.start + 1,
      );
      return digests.sums();
    }),
  );
}

/** @returns the CRC64NVME of the whole */
async function fetchInParts(
  fetch: Fetch,
  { answer, sizeBytes, claim }: Opened,
): Promise<Uint8Array | undefined> {
  const expected = expectedChecksum(answer);
  const ranges = Array.from({ length: Math.ceil(sizeBytes / PART_BYTES) }, (_, part) => ({
    start: part * PART_BYTES,
    end: Math.min(sizeBytes, (part + 1) * PART_BYTES) - 1,
  }));
  const crcs = crcsFor(expected);
  const sums = await allSettled(
    ranges.map((range) => fetchPart(fetch, range, { etag: answer.ETag, crcs, claim })),
  );
  const whole = new Map(crcs.map((crc) => [crc, combined(crc, sums, ranges)]));
  if (expected) {
    const sum = isCrc(expected.algorithm)
      ? whole.get(expected.algorithm)
      : await digestFile(fetch.unfinished, expected.algorithm);
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
      addHeaders(args.request, { 'x-amz-checksum-mode': 'ENABLED' });
      return next(args);
    },
    { step: 'build', name: 'askForChecksums' },
  );
  return s3.send(command);
}

/** The first answer of S3, and room for what it announces. */
interface Opened {
  answer: GetObjectCommandOutput;
  sizeBytes: number;
  claim: Claim;
  /** Where the whole file was read from this answer. */
  crc?: Uint8Array | undefined;
}

/** @returns the CRC64NVME */
async function readWhole(
  answer: GetObjectCommandOutput,
  file: FileHandle,
  claim: Claim,
): Promise<Uint8Array | undefined> {
  const expected = expectedChecksum(answer);
  const digests = startDigests([
    ...crcsFor(expected),
    ...(expected && !isCrc(expected.algorithm) ? [expected.algorithm] : []),
  ]);
  const read = await pour(streamOf(answer), file, 0, digests, claim);
  requireSize(read, answer.ContentLength ?? 0);
  const sums = await digests.sums();
  const sum = expected && sums.get(expected.algorithm);
  if (expected && sum) requireSum(sum, expected);
  return sums.get('CRC64NVME');
}

/**
 * Reads a small file whole; of a large one only the headers are needed. Small files, which are the
 * most, cost no extra request this way.
 * @param claimed room for it, where it had to wait
 * @returns how much room it needs where there is too little
 */
async function openWhole(
  { s3, place, file, path, target }: Fetch,
  claimed: Claim | undefined,
): Promise<Opened | number> {
  let claim = claimed;
  let answer: GetObjectCommandOutput | undefined;
  try {
    answer = await getWithChecksums(s3, place);
    const sizeBytes = answer.ContentLength ?? 0;
    if (!target.isAnnounced) await target.room.announce(path, sizeBytes);
    claim ??= await target.room.tryClaim(path, sizeBytes);
    if (claim && sizeBytes <= WHOLE_UP_TO_BYTES)
      return { answer, sizeBytes, claim, crc: await readWhole(answer, file, claim) };
    streamOf(answer).destroy();
    return claim ? { answer, sizeBytes, claim } : sizeBytes;
  } catch (error) {
    if (answer) streamOf(answer).destroy();
    claim?.release();
    throw error;
  }
}

/** While a file waits for room, it keeps no connection and no place among the bodies. */
async function openWithRoom(fetch: Fetch): Promise<Opened> {
  let claim: Claim | undefined;
  for (;;) {
    const opened = await body(() => openWhole(fetch, claim));
    if (typeof opened !== 'number') return opened;
    claim = await fetch.target.room.claim(fetch.path, opened);
  }
}

async function fetchS3(fetch: Fetch): Promise<Downloaded> {
  const opened = await openWithRoom(fetch);
  const { answer, sizeBytes, claim } = opened;
  try {
    const isLarge = sizeBytes > WHOLE_UP_TO_BYTES;
    if (isLarge) await fetch.target.onLarge?.();
    const crc = isLarge ? await fetchInParts(fetch, opened) : opened.crc;
    return {
      sizeBytes,
      etag: (answer.ETag ?? '').replaceAll('"', ''),
      ...(crc && { crc64nvme: inBase64(crc) }),
    };
  } finally {
    claim.release();
  }
}

export type Source = S3Place | { web: string };

/** The names of incomplete files, which say nothing to the author of a task. */
export const UNFINISHED = /\.[\w-]{12}\.batchwell-part/g;

/** Drawn: it fits beside a name of 255 bytes, and is the name of no file of the task. */
export const unfinishedBeside = (path: string): string =>
  join(dirname(path), `.${randomBytes(9).toString('base64url')}.batchwell-part`);

/** Whether it is the name of an incomplete file, in the folder where the whole file will be. */
export const isUnfinished = (name: string): boolean => /^\.[\w-]{12}\.batchwell-part$/.test(name);

/**
 * Fetches one file in up to five tries, and puts it at `path` by a rename.
 * @throws the last failure
 */
export const download = (
  s3: S3Client,
  source: Source,
  path: string,
  target: Target,
): Promise<Downloaded> => files(() => downloadNow(s3, source, path, target));

async function downloadNow(
  s3: S3Client,
  source: Source,
  path: string,
  target: Target,
): Promise<Downloaded> {
  await makeFolder(dirname(path));
  const unfinished = unfinishedBeside(path);
  try {
    const downloaded = await persist(async () => {
      const file = await open(unfinished, 'w');
      try {
        return 'web' in source
          ? await fetchWeb(source.web, { file, path, target })
          : await fetchS3({ s3, place: source, file, unfinished, path, target });
      } finally {
        await file.close();
      }
    });
    await rename(unfinished, path).catch(sayFolder(path));
    return downloaded;
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

/** For a file that could not be put at its path. */
export const sayFolder =
  (path: string) =>
  (error: unknown): never => {
    throw isCode(error, 'EISDIR', 'ENOTEMPTY', 'EEXIST')
      ? new DeclaredError(`a folder is already at its path ${path}`)
      : error;
  };
