/** The stager's S3 client, and how its failures are classified and described. */
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { ByteRange } from '../core/submission/manifest.ts';
import { hideUrlSecrets } from '../core/files/url-secrets.ts';
import {
  PAYER_HEADER,
  paysFor,
  readPayingBuckets,
  REQUESTER_PAYS_VARIABLE,
} from '../core/files/requester-pays.ts';
import { formatS3Url } from '../core/files/s3-url.ts';
import type { S3Place } from '../core/files/s3-url.ts';

/**
 * Tries for one request, and for one whole file: S3 resets connections and answers 503 under load.
 */
export const TRIES = 5;

/**
 * The stager computes checksums itself: the SDK would add a CRC32 to each upload and could not
 * check a ranged download. The fallback region only routes: a bucket in another region answers with
 * a redirect, which the client follows.
 */
export function openS3(env: NodeJS.ProcessEnv): S3Client {
  const client = new S3Client({
    region: env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? 'us-east-1',
    followRegionRedirects: true,
    forcePathStyle: (env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL']) !== undefined,
    maxAttempts: TRIES,
    retryMode: 'standard',
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: 10_000,
      socketTimeout: 60_000,
      httpAgent: { maxSockets: 64 },
      httpsAgent: { maxSockets: 64 },
    },
  });
  const buckets = readPayingBuckets(env[REQUESTER_PAYS_VARIABLE]);
  if (buckets.length > 0) agreeToPay(client, buckets);
  return client;
}

/** Adds headers to a request that is not signed yet. */
export function addHeaders(request: unknown, headers: Record<string, string>): void {
  if (typeof request === 'object' && request !== null && 'headers' in request)
    Object.assign(request.headers as object, headers);
}

function agreeToPay(client: S3Client, buckets: readonly string[]): void {
  client.middlewareStack.add(
    (next) => (args) => {
      if (paysFor(buckets, args.input)) addHeaders(args.request, PAYER_HEADER);
      return next(args);
    },
    { step: 'build', name: 'requesterPays' },
  );
}

interface Named {
  name?: unknown;
  message?: unknown;
  code?: unknown;
  $metadata?: unknown;
}

const named = (error: unknown): Named => (typeof error === 'object' && error !== null ? error : {});

/** HTTP status of a failed request; undefined when there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const metadata = named(error).$metadata;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata))
    return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}

/** Errors of the disk: read-only, no permission, or a file of another kind than expected. */
const finalCodes = new Set<unknown>([
  'EROFS',
  'EACCES',
  'EPERM',
  'EISDIR',
  'ENOTDIR',
  'ENAMETOOLONG',
  'ENOENT',
]);

/** Whether a retry cannot succeed: the request itself is refused, or the disk refuses the file. */
export function isFinal(error: unknown): boolean {
  if (error instanceof FinalError || finalCodes.has(named(error).code)) return true;
  const status = statusOf(error);
  return status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/** The disk of this host is full: another host, or this one later, may have room. */
const fullCodes = new Set<unknown>(['ENOSPC', 'EDQUOT']);

/** For a result record, where errors of the disk are final: a full one is not. */
export const transienceOfDisk = (error: unknown): { transient?: true } =>
  fullCodes.has(named(error).code) ? { transient: true } : {};

/** For a result record: whether another attempt of the task may succeed. */
export const transience = (error: unknown): { transient?: true } =>
  isFinal(error) ? {} : { transient: true };

/** An error that no retry changes. */
export class FinalError extends Error {
  override name = 'FinalError';
}

/** What the task declares cannot be done: the words are for its author. */
export class DeclaredError extends FinalError {}

/** For a result record: whether the task itself is at fault. */
export const blame = (error: unknown): { declared?: true } =>
  error instanceof DeclaredError ? { declared: true } : {};

/** No room came free for as long as the task may wait: trying again here would only wait again. */
export class NoRoomError extends Error {
  override name = 'NoRoomError';
  readonly code = 'ENOSPC';
}

/**
 * `NoSuchKey: The specified key does not exist.`: on one line, at most 500 characters, without
 * credentials.
 */
export function reasonOf(error: unknown): string {
  // A server with several addresses: each was tried, and the first says why.
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  const { name, message, code } = named(error);
  const kind = typeof code === 'string' ? code : typeof name === 'string' ? name : 'Error';
  const text =
    typeof message === 'string' && message !== '' && message !== kind
      ? message
      : `HTTP ${statusOf(error) ?? 'without an answer'}`;
  const whole =
    error instanceof FinalError || text.startsWith(`${kind}:`) ? text : `${kind}: ${text}`;
  return hideUrlSecrets(whole).replace(/\s+/g, ' ').slice(0, 500);
}

/**
 * Runs `work` until it succeeds, up to five times. An error that no retry here changes is thrown at
 * once.
 */
export async function persist<T>(work: () => Promise<T>, pauseMs = 250): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await work();
    } catch (error) {
      if (isFinal(error) || error instanceof NoRoomError || tried >= TRIES) throw error;
      // With jitter, because thousands of siblings got the same 503.
      await new Promise((resolve) =>
        setTimeout(resolve, pauseMs * 2 ** (tried - 1) * (0.5 + Math.random())),
      );
    }
  }
}

export const rangeHeader = (range: ByteRange): string => `bytes=${range.start}-${range.end}`;

/** A small object's bytes. @throws the SDK's error when it cannot be read */
export async function readBytes(s3: S3Client, place: S3Place, range?: ByteRange): Promise<Buffer> {
  return persist(async () => {
    const answer = await s3.send(
      new GetObjectCommand({
        Bucket: place.bucket,
        Key: place.key,
        ...(range && { Range: rangeHeader(range) }),
      }),
    );
    if (!answer.Body) throw new Error(`S3 returned ${formatS3Url(place)} without a body`);
    return Buffer.from(await answer.Body.transformToByteArray());
  });
}

export async function writeBytes(
  s3: S3Client,
  place: S3Place,
  body: string | Buffer,
  contentType: string,
): Promise<void> {
  await s3.send(
    new PutObjectCommand({
      Bucket: place.bucket,
      Key: place.key,
      Body: body,
      ContentType: contentType,
    }),
  );
}
