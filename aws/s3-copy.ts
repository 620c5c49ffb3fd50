/**
 * Copies within S3. A copy is pinned: it reads the version or the ETag that was seen, and counts only when what was
 * written has the checksum that was expected. What can go wrong is an outcome, not an error.
 */
import { CopyObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { judgeFailedCopy } from '../core/cache/copy-trouble.ts';
import { isPinned } from '../core/cache/hit-mode.ts';
import type {
  Copied,
  CopyLimits,
  CopyOutcome,
  CopyRequest,
  CopyTools,
  PinnedCopy,
  Written,
} from './copy-request.ts';
import { copyInParts } from './s3-copy-parts.ts';
import { isBadName, statusOf } from './s3-errors.ts';
import { inS3, placeOf } from './s3-place.ts';

export async function copyObject(tools: CopyTools, request: CopyRequest): Promise<CopyOutcome> {
  const outcome = await tryCopy(tools, request);
  // The ETag alone pins as well: the version may have expired, or may not be read by its id.
  const isVersionsFault = outcome.did === 'source-gone' || outcome.did === 'source-denied';
  if (!isVersionsFault || request.from.versionId === null || request.from.etag === '')
    return outcome;
  return tryCopy(tools, { ...request, from: { ...request.from, versionId: null } });
}

async function tryCopy(tools: CopyTools, request: CopyRequest): Promise<CopyOutcome> {
  try {
    const copy = pinned(request, tools.limits);
    if (request.from.sizeBytes <= tools.limits.largestBytes)
      return await prove(tools, request, await copyWhole(tools.client, copy));
    const there = await isThere(tools, request);
    return there ?? (await prove(tools, request, await copyInParts(tools.client, copy)));
  } catch (error) {
    if (request.signal?.aborted === true) return { did: 'cancelled' };
    return troubleOf(tools, request, error);
  }
}

/** A large copy that an earlier try has completed is not made again. */
async function isThere(
  { describe }: CopyTools,
  { from, toUrl, uploads }: CopyRequest,
): Promise<Copied | undefined> {
  // Who may write there may not be allowed to read.
  const seen = await describe(toUrl).catch(() => undefined);
  const isSame = seen?.sizeBytes === from.sizeBytes && seen.checksums.crc64nvme === from.crc64nvme;
  if (!isSame) return undefined;
  await uploads?.forget();
  return { did: 'copied', etag: seen.etag, warnings: [] };
}

function pinned(request: CopyRequest, limits: CopyLimits): PinnedCopy {
  const { url, etag, versionId } = request.from;
  const source = placeOf(url);
  const path = `${source.bucket}/${source.key.split('/').map(encodeURIComponent).join('/')}`;
  const version = isPinned(versionId) ? `?versionId=${encodeURIComponent(versionId ?? '')}` : '';
  return {
    ...request,
    limits,
    source,
    to: placeOf(request.toUrl),
    pin: {
      CopySource: path + version,
      ...(etag !== '' && { CopySourceIfMatch: `"${etag}"` }),
    },
  };
}

async function copyWhole(client: S3Client, { pin, to, signal }: PinnedCopy): Promise<Written> {
  const { CopyObjectResult: reply } = await client.send(
    new CopyObjectCommand({ ...inS3(to), ...pin, ChecksumAlgorithm: 'CRC64NVME' }),
    signal && { abortSignal: signal },
  );
  return { etag: reply?.ETag, crc64nvme: reply?.ChecksumCRC64NVME, warnings: [] };
}

/** By the checksum that S3 answers, else by one that it tells of the object, else by the ETags of equal bytes. */
async function prove(
  { describe }: CopyTools,
  { from, toUrl }: CopyRequest,
  { etag, crc64nvme, warnings }: Written,
): Promise<CopyOutcome> {
  const copied: Copied = { did: 'copied', etag: unquote(etag), warnings };
  const other = {
    did: 'source-changed' as const,
    message: `The copy of ${from.url} at ${toUrl} has another checksum than its source had.`,
  };
  if (crc64nvme !== undefined) return crc64nvme === from.crc64nvme ? copied : other;
  const seen = await describe(toUrl).catch((error: unknown) => {
    if (statusOf((error as Error).cause) === 403) return undefined;
    throw error;
  });
  if (seen?.checksums.crc64nvme !== undefined)
    return seen.checksums.crc64nvme === from.crc64nvme && seen.sizeBytes === from.sizeBytes
      ? { ...copied, etag: seen.etag }
      : other;
  if (MD5.test(from.etag) && seen?.etag === from.etag && seen.sizeBytes === from.sizeBytes)
    return { ...copied, etag: seen.etag };
  return {
    did: 'unproven',
    message: `S3 tells no checksum of the copy of ${from.url} at ${toUrl}.`,
  };
}

const MD5 = /^[0-9a-f]{32}$/;

async function troubleOf(
  { getTail }: CopyTools,
  { from, toUrl }: CopyRequest,
  error: unknown,
): Promise<CopyOutcome> {
  const { name, message } = error as Error;
  const trouble = judgeFailedCopy({
    status: statusOf(error) || statusOf((error as Error).cause),
    code: name,
    message,
    isBadName: isBadName(error),
  });
  const did = trouble === 'denied' ? await deniedSide(getTail, from.url) : trouble;
  return { did, message: `S3 could not copy ${from.url} to ${toUrl}: ${name}: ${message}` };
}

/** Whoever may read the source was refused at the destination. */
async function deniedSide(
  getTail: CopyTools['getTail'],
  sourceUrl: string,
): Promise<'source-denied' | 'source-gone' | 'destination-refused' | 'transient'> {
  try {
    return (await getTail(sourceUrl, 1)) ? 'destination-refused' : 'source-gone';
  } catch (error) {
    return statusOf((error as Error).cause) === 403 ? 'source-denied' : 'transient';
  }
}

const unquote = (etag: string | undefined): string => (etag ?? '').replaceAll('"', '');
