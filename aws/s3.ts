/** S3, as thin as it can be: objects by url, absence as a value. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCopyCommand,
  type CompletedPart,
  type HeadObjectCommandOutput,
} from '@aws-sdk/client-s3';
import type { Readable } from 'node:stream';
import { formatS3Url, parseS3Url, type S3Place } from '../core/files/s3-url.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { listPage } from './listing.ts';
import type { Budget } from './budget.ts';
import { observeRequests } from './observe.ts';
import { yieldToPressure } from './pressure.ts';

export interface SeenObject {
  url: string;
  sizeBytes: number;
  /** Without its quotes. */
  etag: string;
  lastModifiedMs: number;
}

export interface DescribedObject extends SeenObject {
  /** Checksums of the whole object by algorithm, base64; none of a multipart's parts. */
  checksums: Partial<Record<ChecksumName, string>>;
  versionId?: string;
  /** The user metadata, by names in lower case. */
  metadata: Record<string, string>;
}

export interface OpenOptions {
  /** Read from this byte on; all of it when absent. */
  fromByte?: number;
  /** Not opened while its ETag is this one. */
  unlessEtag?: string;
  /** Breaks off the request, and the reading of the body. */
  signal?: AbortSignal;
}

/** What is read from it must be read to its end, or closed. */
export interface OpenedObject {
  etag: string;
  /** Of what is read. */
  sizeBytes: number;
  metadata: Record<string, string>;
  body: AsyncIterable<Uint8Array>;
  close(): void;
}

const checksumFields = {
  crc64nvme: 'ChecksumCRC64NVME',
  sha256: 'ChecksumSHA256',
  sha1: 'ChecksumSHA1',
  crc32c: 'ChecksumCRC32C',
  crc32: 'ChecksumCRC32',
} as const;
export type ChecksumName = keyof typeof checksumFields;

export interface ListOptions {
  startAfterKey?: string;
  /** At most so many objects in the first page, where the caller knows how many it wants. */
  firstPage?: number;
}

export interface ObjectStore {
  put(
    url: string,
    body: string | Uint8Array,
    options?: { ifAbsent?: boolean },
  ): Promise<'written' | 'exists'>;
  /** The whole object, or undefined when there is none. */
  get(url: string): Promise<Buffer | undefined>;
  /** Its last bytes, or undefined when there is none. */
  getTail(url: string, bytes: number): Promise<Buffer | undefined>;
  /** Its bytes as they come, for objects that are too large to be held; undefined when there is none. */
  open(url: string, options?: OpenOptions): Promise<OpenedObject | 'unchanged' | undefined>;
  describe(url: string): Promise<DescribedObject | undefined>;
  /** Pages of up to 1,000 objects below a prefix, in the order of their keys. */
  list(prefixUrl: string, options?: ListOptions): AsyncGenerator<SeenObject[]>;
  /** Copies within S3; above 5 GB part by part. Throws when the source is not there. */
  copy(fromUrl: string, toUrl: string, sizeBytes: number): Promise<void>;
  /** Creates a bucket; one that is ours already is fine. */
  ensureBucket(bucket: string): Promise<void>;
  close(): void;
}

/** CopyObject's limit, bytes (source: Amazon S3 API). */
const LARGEST_COPY = 5 * 1024 ** 3;
const COPY_PART = 512 * 1024 ** 2;
const COPY_PARTS_AT_ONCE = 8;

/** Thrown for an url that is not s3://bucket/key. */
export class S3UrlError extends Error {
  override readonly name = 'S3UrlError';
}

function placeOf(url: string): S3Place {
  const place = parseS3Url(url);
  if (!place)
    throw new S3UrlError(`${JSON.stringify(url)} is not an S3 url; expected s3://bucket/key.`);
  return place;
}

/** A copy of 5 GB takes minutes; without throwOnRequestTimeout the SDK only warns, and waits for ever. Its 50 sockets would hold back a chunk of hits. */
const REQUESTS = {
  connectionTimeout: 5000,
  requestTimeout: 300_000,
  throwOnRequestTimeout: true,
  httpAgent: { keepAlive: true, maxSockets: 128 },
  httpsAgent: { keepAlive: true, maxSockets: 128 },
};

const inS3 = ({ bucket, key }: S3Place) => ({ Bucket: bucket, Key: key });

export interface ObjectStoreOptions {
  metrics: Metrics;
  /** For endpoints that have no host name per bucket; the SDK does it by itself where the endpoint is an IP address. */
  pathStyle: boolean;
  /** The fleet's, for times when S3 has too much. */
  budget?: Budget;
  /** Where S3 is, for a process whose environment does not say it; the SDK's own chain when absent. */
  endpoint?: { url: string; region: string; accessKeyId: string; secretAccessKey: string };
}

export function openObjectStore({
  metrics,
  pathStyle,
  endpoint,
  budget,
}: ObjectStoreOptions): ObjectStore {
  const place = endpoint && {
    endpoint: endpoint.url,
    region: endpoint.region,
    credentials: endpoint,
  };
  const client = new S3Client({
    maxAttempts: 6,
    forcePathStyle: pathStyle,
    followRegionRedirects: true,
    requestHandler: REQUESTS,
    ...place,
  });
  // Outside of the count: what waits for its turn is not on its way.
  if (budget) yieldToPressure(client, budget);
  observeRequests(client, 's3', metrics);

  return {
    async put(url, body, { ifAbsent = false } = {}) {
      try {
        await client.send(
          new PutObjectCommand({
            ...inS3(placeOf(url)),
            Body: body,
            ...(ifAbsent ? { IfNoneMatch: '*' } : {}),
          }),
        );
        return 'written';
      } catch (error) {
        if (ifAbsent && statusOf(error) === 412) return 'exists';
        throw failedOn('write', url, error);
      }
    },
    get: (url) => read(client, url),
    getTail: (url, bytes) => read(client, url, `bytes=-${bytes}`),
    open: (url, options) => openObject(client, url, options),
    async describe(url) {
      const place = placeOf(url);
      try {
        const head = await client.send(
          new HeadObjectCommand({ ...inS3(place), ChecksumMode: 'ENABLED' }),
        );
        return describeHead(url, head);
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw failedOn('look at', url, error);
      }
    },
    list: (prefixUrl, options) => listPages(client, prefixUrl, options),
    async copy(fromUrl, toUrl, sizeBytes) {
      if (fromUrl === toUrl) return;
      const [from, to] = [placeOf(fromUrl), placeOf(toUrl)];
      try {
        if (sizeBytes > LARGEST_COPY) await copyInParts(client, from, to, sizeBytes);
        else
          await client.send(new CopyObjectCommand({ ...inS3(to), CopySource: copySource(from) }));
      } catch (error) {
        throw failedOn('copy', `${fromUrl} to ${toUrl}`, error);
      }
    },
    async ensureBucket(bucket) {
      try {
        await client.send(new CreateBucketCommand({ Bucket: bucket }));
      } catch (error) {
        if ((error as Error).name !== 'BucketAlreadyOwnedByYou')
          throw failedOn('create bucket', bucket, error);
      }
    },
    close: () => client.destroy(),
  };
}

async function read(client: S3Client, url: string, range?: string): Promise<Buffer | undefined> {
  try {
    const reply = await client.send(
      new GetObjectCommand({
        ...inS3(placeOf(url)),
        ...(range === undefined ? {} : { Range: range }),
      }),
    );
    return Buffer.from((await reply.Body?.transformToByteArray()) ?? []);
  } catch (error) {
    const status = statusOf(error);
    if (status === 404) return undefined;
    // An empty object has no last bytes.
    if (status === 416) return Buffer.alloc(0);
    throw failedOn('read', url, error);
  }
}

async function openObject(
  client: S3Client,
  url: string,
  { fromByte, unlessEtag, signal }: OpenOptions = {},
): Promise<OpenedObject | 'unchanged' | undefined> {
  const wanted = {
    ...(fromByte !== undefined && { Range: `bytes=${fromByte}-` }),
    ...(unlessEtag !== undefined && { IfNoneMatch: `"${unlessEtag}"` }),
  };
  try {
    const reply = await client.send(new GetObjectCommand({ ...inS3(placeOf(url)), ...wanted }), {
      ...(signal && { abortSignal: signal }),
    });
    const body = reply.Body as Readable;
    // It may break off while nobody reads, which would end the process; whoever reads on is told.
    body.on('error', () => undefined);
    return {
      etag: unquote(reply.ETag),
      sizeBytes: reply.ContentLength ?? 0,
      metadata: reply.Metadata ?? {},
      body,
      close: () => void body.destroy(),
    };
  } catch (error) {
    const status = statusOf(error);
    if (status === 404) return undefined;
    if (status === 304) return 'unchanged';
    throw failedOn('open', url, error);
  }
}

async function* listPages(
  client: S3Client,
  prefixUrl: string,
  { startAfterKey, firstPage }: ListOptions = {},
): AsyncGenerator<SeenObject[]> {
  const { bucket, key } = placeOf(prefixUrl);
  let token: string | undefined;
  do {
    const from =
      token === undefined
        ? { StartAfter: startAfterKey, MaxKeys: firstPage }
        : { ContinuationToken: token };
    const page = await listPage(client, { Bucket: bucket, Prefix: key, ...from }).catch(
      (error: unknown) => {
        throw failedOn('list', prefixUrl, error);
      },
    );
    yield page.objects.map((one) => ({
      url: formatS3Url({ bucket, key: one.key }),
      sizeBytes: one.sizeBytes,
      etag: unquote(one.etag),
      lastModifiedMs: one.lastModifiedMs,
    }));
    token = page.nextToken;
  } while (token !== undefined);
}

function describeHead(url: string, head: HeadObjectCommandOutput): DescribedObject {
  const whole = head.ChecksumType !== 'COMPOSITE';
  const found = Object.entries(checksumFields).flatMap(([name, field]) =>
    whole && head[field] !== undefined ? [[name, head[field]]] : [],
  );
  return {
    url,
    sizeBytes: head.ContentLength ?? 0,
    etag: unquote(head.ETag),
    lastModifiedMs: head.LastModified?.getTime() ?? 0,
    checksums: Object.fromEntries(found) as DescribedObject['checksums'],
    metadata: head.Metadata ?? {},
    ...(head.VersionId === undefined ? {} : { versionId: head.VersionId }),
  };
}

/** A failed multipart upload is billed until it is aborted, so it is aborted whatever happened. */
async function copyInParts(
  client: S3Client,
  from: S3Place,
  to: S3Place,
  sizeBytes: number,
): Promise<void> {
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
const unquote = (etag: string | undefined): string => (etag ?? '').replaceAll('"', '');
const statusOf = (error: unknown): number =>
  (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode ?? 0;

/**
 * Whether an error of an ObjectStore will be the same next time: the object or bucket may not be read, or its name is
 * none. Everything else (no connection, 5xx, throttling) may pass.
 */
export function isForGood(error: unknown): boolean {
  if (error instanceof S3UrlError) return true;
  const { cause } = error as { cause?: unknown };
  const status = statusOf(cause);
  if (status === 0) return NAME_ERRORS.test(String(cause));
  return (
    status >= 300 &&
    status < 500 &&
    ![408, 429].includes(status) &&
    !/RequestTimeout|SlowDown|Expired|RequestTimeTooSkewed/.test((cause as Error).name)
  );
}

/** What the SDK says of a bucket's name before it asks anybody. */
const NAME_ERRORS = /[Bb]ucket name|Invalid (?:ARN|region)|hostname|valid host label/;

function failedOn(what: string, which: string, cause: unknown): Error {
  if (cause instanceof S3UrlError) return cause;
  const { name, message } = cause as Error;
  return new Error(`S3 could not ${what} ${which}: ${name}: ${message}`, { cause });
}
