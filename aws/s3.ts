/** S3: objects by URL, absence as a value. */
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  type GetObjectCommandOutput,
  type HeadObjectCommandOutput,
} from '@aws-sdk/client-s3';
import type { Readable } from 'node:stream';
import { PAYER_HEADER, paysFor } from '../core/files/requester-pays.ts';
import { formatS3Url } from '../core/files/s3-url.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { listPage } from './listing.ts';
import type { Budget } from './budget.ts';
import { addHeadersTo } from './request-middleware.ts';
import { watchCredentials } from './credentials.ts';
import { observeRequests } from './observe.ts';
import { yieldToPressure } from './pressure.ts';
import {
  COPY_LIMITS,
  type CopyLimits,
  type CopyOutcome,
  type CopyRequest,
} from './copy-request.ts';
import { copyObject } from './s3-copy.ts';
import { abortEmptyUploads, abortUpload } from './s3-copy-parts.ts';
import { failedOn, statusOf } from './s3-errors.ts';
import { inS3, placeOf } from './s3-place.ts';

export interface SeenObject {
  url: string;
  sizeBytes: number;
  /** Without its quotes. */
  etag: string;
  lastModifiedMs: number;
}

export interface DescribedObject extends SeenObject {
  /**
   * Checksums of the whole object by algorithm, in base64. Those of multipart parts are left out.
   */
  checksums: Partial<Record<ChecksumName, string>>;
  versionId?: string;
  /** User metadata; the names are in lower case. */
  metadata: Record<string, string>;
}

export interface OpenOptions {
  /** The first byte to read; the whole object if absent. */
  fromByte?: number;
  /** The object is not opened if this is its ETag. */
  unlessEtag?: string;
  /** Aborts the request and the reading of the body. */
  signal?: AbortSignal;
}

/** The body must be read to its end, or closed. */
export interface OpenedObject {
  etag: string;
  /** Size of the part that is read. */
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
type ChecksumName = keyof typeof checksumFields;

interface ListOptions {
  startAfterKey?: string;
  /** Largest number of objects in the first page, for callers that know how many they want. */
  firstPage?: number;
}

/** A write that does not meet its condition writes nothing and gives `exists`. */
interface PutCondition {
  ifAbsent?: boolean;
  /** Only if the object has this ETag. */
  ifEtag?: string;
}

/** A body that need not fit into memory: up to 5 GiB. It is sent once, without a retry. */
interface StreamedBody {
  stream: Readable;
  sizeBytes: number;
}

interface ReadObject {
  body: Buffer;
  etag: string;
}

export interface ObjectStore {
  put(
    url: string,
    body: string | Uint8Array | StreamedBody,
    options?: PutCondition,
  ): Promise<'written' | 'exists'>;
  /** The whole object, or undefined if it does not exist. */
  get(url: string): Promise<Buffer | undefined>;
  /**
   * The same, with the ETag that a conditional write needs. Of an object that is longer than
   * `mostBytes` the body is empty: anybody who may write there may write much.
   */
  read(url: string, limit: { mostBytes: number }): Promise<ReadObject | undefined>;
  /** The last bytes of the object, or undefined if it does not exist. */
  getTail(url: string, bytes: number, ifEtag?: string): Promise<Buffer | undefined>;
  /** The object as a stream, for objects too large for memory; undefined if it does not exist. */
  open(url: string, options?: OpenOptions): Promise<OpenedObject | 'unchanged' | undefined>;
  describe(url: string): Promise<DescribedObject | undefined>;
  /** Pages of up to 1,000 objects below a prefix, in the order of their keys. */
  list(prefixUrl: string, options?: ListOptions): AsyncGenerator<SeenObject[]>;
  /** Copies within S3; above 5 GB part by part. */
  copy(request: CopyRequest): Promise<CopyOutcome>;
  /**
   * Ends an upload in parts; one that has ended is left as it is. Without an id: those of this URL
   * that have no part.
   */
  abortUpload(url: string, uploadId: string | undefined): Promise<void>;
  /** Creates a bucket. Does nothing if this account already owns it. */
  ensureBucket(bucket: string): Promise<void>;
  close(): void;
}

/**
 * A copy of 5 GB takes minutes. Without throwOnRequestTimeout the SDK only logs a warning and waits
 * for ever. Its default of 50 sockets would delay a chunk of hits.
 */
const REQUESTS = {
  connectionTimeout: 5000,
  requestTimeout: 300_000,
  throwOnRequestTimeout: true,
  httpAgent: { keepAlive: true, maxSockets: 128 },
  httpsAgent: { keepAlive: true, maxSockets: 128 },
};

export interface ObjectStoreOptions {
  metrics: Metrics;
  /**
   * For endpoints without a host name per bucket. The SDK does it by itself if the endpoint is an
   * IP address.
   */
  pathStyle: boolean;
  /** The budget of the fleet, used while S3 throttles. */
  budget?: Budget;
  /** S3's own when absent. */
  copyLimits?: CopyLimits;
  /** See core/files/requester-pays.ts; none when absent. */
  requesterPays?: readonly string[];
  /** For a process whose environment does not name S3. The SDK's own chain if absent. */
  endpoint?: S3Endpoint;
}

export interface S3Endpoint {
  url: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

export function openObjectStore({
  metrics,
  pathStyle,
  endpoint,
  budget,
  copyLimits = COPY_LIMITS,
  requesterPays = [],
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
  if (requesterPays.length > 0)
    addHeadersTo(client, 'requesterPays', (input) =>
      paysFor(requesterPays, input) ? PAYER_HEADER : undefined,
    );
  // Outside of the count: a request that waits for the budget is not sent yet.
  if (budget) yieldToPressure(client, budget);
  observeRequests(client, 's3', metrics);
  const unwatch = watchCredentials(client, metrics);

  const tools = {
    client,
    limits: copyLimits,
    describe: (url: string) => describeObject(client, url),
    getTail: async (url: string, bytes: number) =>
      (await read(client, url, { range: `bytes=-${bytes}` }))?.body,
  };
  return {
    put: (url, body, options) => putObject(client, { url, body, ...options }),
    get: async (url) => (await read(client, url))?.body,
    read: (url, { mostBytes }) => read(client, url, { mostBytes }),
    getTail: async (url, bytes, ifEtag) =>
      (await read(client, url, { range: `bytes=-${bytes}`, ifEtag }))?.body,
    open: (url, options) => openObject(client, url, options),
    describe: (url) => describeObject(client, url),
    list: (prefixUrl, options) => listPages(client, prefixUrl, options),
    copy: (request) => copyObject(tools, request),
    abortUpload: (url, uploadId) =>
      uploadId === undefined
        ? abortEmptyUploads(client, placeOf(url))
        : abortUpload(client, placeOf(url), uploadId),
    ensureBucket: (bucket) => ensureBucket(client, bucket),
    close() {
      unwatch();
      client.destroy();
    },
  };
}

interface Put extends PutCondition {
  url: string;
  body: string | Uint8Array | StreamedBody;
}

/** 412: another object is there. 409: another write was under way. 404: the object is gone. */
const UNMET: ReadonlySet<number | undefined> = new Set([404, 409, 412]);

async function putObject(
  client: S3Client,
  { url, body, ifAbsent = false, ifEtag }: Put,
): Promise<'written' | 'exists'> {
  const condition = {
    ...(ifAbsent && { IfNoneMatch: '*' }),
    ...(ifEtag !== undefined && { IfMatch: `"${ifEtag}"` }),
  };
  try {
    // The call cache knows an object by its CRC64NVME, whoever wrote it. The SDK's default is a CRC32.
    const written = {
      ...inS3(placeOf(url)),
      ...(typeof body === 'object' && 'stream' in body
        ? { Body: body.stream, ContentLength: body.sizeBytes }
        : { Body: body }),
      ChecksumAlgorithm: 'CRC64NVME' as const,
    };
    await client.send(new PutObjectCommand({ ...written, ...condition }));
    return 'written';
  } catch (error) {
    if (ifAbsent && statusOf(error) === 412) return 'exists';
    if (ifEtag !== undefined && UNMET.has(statusOf(error))) return 'exists';
    throw failedOn('write', url, error);
  }
}

async function describeObject(client: S3Client, url: string): Promise<DescribedObject | undefined> {
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
}

async function ensureBucket(client: S3Client, bucket: string): Promise<void> {
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  } catch (error) {
    if ((error as Error).name !== 'BucketAlreadyOwnedByYou')
      throw failedOn('create bucket', bucket, error);
  }
}

interface ReadOptions {
  range?: string;
  ifEtag?: string | undefined;
  mostBytes?: number;
}

async function read(
  client: S3Client,
  url: string,
  { range, ifEtag, mostBytes = Number.POSITIVE_INFINITY }: ReadOptions = {},
): Promise<ReadObject | undefined> {
  try {
    const reply = await client.send(
      new GetObjectCommand({
        ...inS3(placeOf(url)),
        ...(range === undefined ? {} : { Range: range }),
        ...(ifEtag !== undefined && { IfMatch: `"${ifEtag}"` }),
      }),
    );
    return { body: await readBody(reply, mostBytes), etag: unquote(reply.ETag) };
  } catch (error) {
    const status = statusOf(error);
    if (status === 404) return undefined;
    // An empty object has no last bytes.
    if (status === 416) return { body: Buffer.alloc(0), etag: '' };
    throw failedOn('read', url, error);
  }
}

async function readBody(
  { Body: body, ContentLength: bytes = 0 }: GetObjectCommandOutput,
  mostBytes: number,
): Promise<Buffer> {
  if (bytes <= mostBytes) return Buffer.from((await body?.transformToByteArray()) ?? []);
  (body as Readable | undefined)?.destroy();
  return Buffer.alloc(0);
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
    // An error while nobody reads would end the process. The next reader gets it.
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

const unquote = (etag: string | undefined): string => (etag ?? '').replaceAll('"', '');
