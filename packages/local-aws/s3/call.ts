/** One request as the operations see it, and what they answer. */
import type { IncomingMessage } from 'node:http';
import type { Segment } from './blobs.ts';
import { isRefusal, refuse, type Refusal } from './errors.ts';
import { versionName, type Bucket, type StoredObject } from './records.ts';
import type { Store } from './store.ts';

export interface S3Settings {
  region: string;
  /** The most bytes that one CopyObject copies. */
  copyLimitBytes: number;
  /** The fewest bytes of a part, except the last. */
  partMinBytes: number;
  /** Bodies up to this size are kept in the journal and not in a file of their own. */
  inlineBytes: number;
  /** Buckets that are encrypted with SSE-KMS by default. */
  kmsBuckets: readonly string[];
  /** Buckets whose requests must agree to pay. */
  requesterPays: readonly string[];
  /** Whether a bucket is created when an object is written to it, which AWS never does. */
  bucketsOnDemand: boolean;
}

export interface Call {
  request: IncomingMessage;
  /** AWS's name of the operation. */
  operation: string;
  /** Empty for the service itself. */
  bucketName: string;
  /** Empty for the bucket itself. */
  key: string;
  query: URLSearchParams;
  store: Store;
  settings: S3Settings;
  nowMs: number;
}

export interface Answer {
  status: number;
  headers?: Record<string, string>;
  xml?: string;
  /**
   * Bytes, or from..to (both included) of blobs, which the answer references until they are sent.
   */
  content?: Buffer | { segments: Segment[]; from: number; to: number };
}

export type Operation = (call: Call) => Promise<Answer | Refusal> | Answer | Refusal;

/** A header, or the query parameter that a presigned URL carries in its place (x-amz-* only). */
export function headerOf({ request, query }: Call, name: string): string | undefined {
  const value = request.headers[name];
  if (value !== undefined) return Array.isArray(value) ? value.join(', ') : value;
  if (!name.startsWith('x-amz-')) return undefined;
  return query.get(name) ?? undefined;
}

/** A query parameter that is a count; undefined when it is absent. */
export function countOf(
  { query }: Call,
  name: string,
  limit: number,
): number | undefined | Refusal {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (value < 0)
    return refuse('InvalidArgument', `Provided ${name} not an integer or within integer range`, {
      ArgumentName: name,
      ArgumentValue: text,
    });
  return Math.min(value, limit);
}

export function findBucket({ store, bucketName }: Call, name = bucketName): Bucket | Refusal {
  return store.buckets.get(name) ?? refuse('NoSuchBucket', undefined, { BucketName: name });
}

export function findObject(call: Call): { bucket: Bucket; object: StoredObject } | Refusal {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  const version = call.query.get('versionId');
  const current = bucket.objects.get(call.key);
  const isCurrent =
    version === null || (current !== undefined && version === (current.versionId ?? 'null'));
  const object = isCurrent ? current : bucket.versions?.get(versionName(call.key, version));
  // Without versioning, AWS knows one version, called null.
  if (object === undefined && version !== null && version !== 'null')
    return refuse('NoSuchVersion', undefined, { Key: call.key, VersionId: version });
  return object === undefined
    ? refuse('NoSuchKey', undefined, { Key: call.key })
    : { bucket, object };
}

/** Only where the bucket keeps versions. */
export const versionHeader = (
  { versions }: Bucket,
  { versionId }: StoredObject,
  name = 'x-amz-version-id',
): Record<string, string> => (versions ? { [name]: versionId ?? 'null' } : {});

export const quoted = (etag: string) => `"${etag}"`;
/** S3's form: the milliseconds are always 000. */
export const isoTime = (ms: number) => new Date(Math.floor(ms / 1000) * 1000).toISOString();
export const httpTime = (ms: number) => new Date(ms).toUTCString();
