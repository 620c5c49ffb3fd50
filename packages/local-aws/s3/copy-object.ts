/** CopyObject, and what UploadPartCopy shares with it: finding and reading the source. */
import { createHash } from 'node:crypto';
import {
  findBucket,
  findObject,
  headerOf,
  isoTime,
  quoted,
  versionHeader,
  type Answer,
  type Call,
} from './call.ts';
import {
  checksumElement,
  createDigest,
  parseAlgorithm,
  type Checksum,
  type ChecksumAlgorithm,
} from './checksums.ts';
import { checkRead, checkWrite } from './conditions.ts';
import { encryptionHeader, writtenEtag } from './encryption.ts';
import { isRefusal, refuse, type Refusal } from './errors.ts';
import { headerTags, keptHeaders } from './kept-headers.ts';
import type { Body, Bucket, KeptHeaders, StoredObject } from './records.ts';
import { document, leaf } from './xml.ts';

/** The source that x-amz-copy-source names, if the copy's conditions on it hold. */
export function findSource(call: Call): { bucket: Bucket; object: StoredObject } | Refusal {
  const text = (headerOf(call, 'x-amz-copy-source') ?? '').replace(/^\//, '');
  const [path = '', version] = text.split('?versionId=');
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return refuse('InvalidArgument', 'Invalid copy source encoding.', {
      ArgumentName: 'x-amz-copy-source',
      ArgumentValue: text,
    });
  }
  const slash = decoded.indexOf('/');
  if (slash <= 0 || slash === decoded.length - 1) {
    return refuse('InvalidArgument', 'Invalid copy source object key', {
      ArgumentName: 'x-amz-copy-source',
      ArgumentValue: text,
    });
  }
  const source: Call = {
    ...call,
    bucketName: decoded.slice(0, slash),
    key: decoded.slice(slash + 1),
    query: new URLSearchParams(version === undefined ? {} : { versionId: version }),
  };
  const found = findObject(source);
  if (isRefusal(found)) return found;
  const verdict = checkRead(call, found.object, 'x-amz-copy-source-');
  if (verdict === 'not-modified')
    return refuse('PreconditionFailed', undefined, {
      Condition: 'x-amz-copy-source-If-None-Match',
    });
  return verdict === 'read' ? found : verdict;
}

/** The bytes from..to of a body that the caller references. */
export async function* readBodyBytes(
  { store }: Call,
  body: Body,
  from: number,
  to: number,
): AsyncGenerator<Buffer> {
  if (body.at === 'blobs') yield* store.blobs.read(body.segments, from, to);
  else yield store.readInline(body).subarray(from, to + 1);
}

interface Sums {
  etag: string;
  checksum: Checksum;
}

/**
 * The ETag and checksum of the copy: those of the source if they do not depend on its parts, else
 * computed by reading it.
 */
async function sumsOf(
  call: Call,
  source: StoredObject,
  body: Body,
  algorithm: ChecksumAlgorithm,
): Promise<Sums> {
  const survives =
    source.checksum?.type === 'FULL_OBJECT' && source.checksum.algorithm === algorithm
      ? source.checksum
      : undefined;
  if (survives !== undefined && source.parts === undefined)
    return { etag: source.etag, checksum: survives };
  const md5 = createHash('md5');
  const digest = createDigest(algorithm);
  for await (const chunk of readBodyBytes(call, body, 0, source.bytes - 1)) {
    md5.update(chunk);
    if (survives === undefined) digest.update(chunk);
  }
  return {
    etag: md5.digest('hex'),
    checksum: survives ?? {
      algorithm,
      type: 'FULL_OBJECT',
      value: digest.digest().toString('base64'),
    },
  };
}

interface Directives {
  headers: KeptHeaders;
  tags: [string, string][] | undefined;
  algorithm: ChecksumAlgorithm;
}

function directivesOf(call: Call, source: StoredObject): Directives | Refusal {
  const given = keptHeaders(call);
  if (isRefusal(given)) return given;
  const givenTags = headerTags(call);
  if (givenTags !== undefined && isRefusal(givenTags)) return givenTags;
  const directive = (name: string) => headerOf(call, name)?.toUpperCase() ?? 'COPY';
  const [metadata, tagging] = [
    directive('x-amz-metadata-directive'),
    directive('x-amz-tagging-directive'),
  ];
  if (![metadata, tagging].every((one) => one === 'COPY' || one === 'REPLACE')) {
    return refuse('InvalidArgument', 'Unknown metadata directive.', {
      ArgumentName: 'x-amz-metadata-directive',
      ArgumentValue: metadata,
    });
  }
  const named = headerOf(call, 'x-amz-checksum-algorithm');
  const algorithm =
    named === undefined ? (source.checksum?.algorithm ?? 'CRC64NVME') : parseAlgorithm(named);
  if (algorithm === undefined)
    return refuse(
      'InvalidRequest',
      'Checksum algorithm provided is unsupported. Please try again with any of the valid ' +
        'types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
    );
  const storageClass = given['x-amz-storage-class'];
  const copied: KeptHeaders = {
    ...source.headers,
    ...(storageClass !== undefined && { 'x-amz-storage-class': storageClass }),
  };
  return {
    headers: metadata === 'REPLACE' ? given : copied,
    tags: tagging === 'REPLACE' ? givenTags : source.tags,
    algorithm,
  };
}

/** A copy onto itself must change something. */
function isIdle(call: Call, source: StoredObject): boolean {
  const same = call.store.buckets.get(call.bucketName)?.objects.get(call.key) === source;
  const changes = [
    'x-amz-storage-class',
    'x-amz-website-redirect-location',
    'x-amz-server-side-encryption',
    'x-amz-checksum-algorithm',
  ];
  return (
    same &&
    headerOf(call, 'x-amz-metadata-directive')?.toUpperCase() !== 'REPLACE' &&
    changes.every((name) => headerOf(call, name) === undefined)
  );
}

function refuseCopy(call: Call, source: StoredObject): Refusal | undefined {
  if (isIdle(call, source)) {
    return refuse(
      'InvalidRequest',
      'This copy request is illegal because it is trying to copy an object to itself ' +
        "without changing the object's metadata, storage class, website redirect location or " +
        'encryption attributes.',
    );
  }
  const { copyLimitBytes } = call.settings;
  if (source.bytes <= copyLimitBytes) return undefined;
  return refuse(
    'InvalidRequest',
    `The specified copy source is larger than the maximum allowable size for a copy source: ${copyLimitBytes}`,
  );
}

interface CopyPlan {
  sourceBucket: Bucket;
  source: StoredObject;
  directives: Directives;
}

/** The source and how to copy it, if nothing prevents the copy. */
function planCopy(call: Call): CopyPlan | Refusal {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  const found = findSource(call);
  if (isRefusal(found)) return found;
  const { bucket: sourceBucket, object: source } = found;
  const refusal = refuseCopy(call, source);
  if (refusal !== undefined) return refusal;
  const directives = directivesOf(call, source);
  return isRefusal(directives) ? directives : { sourceBucket, source, directives };
}

export async function copyObject(call: Call): Promise<Answer | Refusal> {
  const plan = planCopy(call);
  if (isRefusal(plan)) return plan;
  const {
    sourceBucket,
    source,
    directives: { headers, tags, algorithm },
  } = plan;
  // Referenced before the first await and passed to the copy: the source can be deleted while it is
  // read.
  const body: Body =
    source.body.at === 'blobs'
      ? source.body
      : { at: 'memory', buffer: call.store.readInline(source.body) };
  const segments = body.at === 'blobs' ? body.segments : [];
  call.store.blobs.retain(segments);
  const sums = await sumsOf(call, source, body, algorithm).catch((cause: unknown) => {
    call.store.blobs.release(segments);
    throw cause;
  });
  const bucket = findBucket(call);
  const late = isRefusal(bucket) ? bucket : checkWrite(call, bucket.objects.get(call.key));
  if (isRefusal(bucket) || late !== undefined) {
    call.store.blobs.release(segments);
    return late ?? refuse('NoSuchBucket');
  }
  const copy: StoredObject = {
    key: call.key,
    bytes: source.bytes,
    etag: writtenEtag(call, sums.etag),
    checksum: sums.checksum,
    modifiedAtMs: Date.now(),
    headers,
    ...(tags && { tags }),
    body,
  };
  await call.store.putObject(bucket, copy);
  return {
    status: 200,
    headers: {
      ...encryptionHeader(call),
      ...versionHeader(bucket, copy),
      ...versionHeader(sourceBucket, source, 'x-amz-copy-source-version-id'),
    },
    xml: document(
      'CopyObjectResult',
      leaf('LastModified', isoTime(copy.modifiedAtMs)),
      leaf('ETag', quoted(copy.etag)),
      leaf(checksumElement(algorithm), sums.checksum.value),
      leaf('ChecksumType', sums.checksum.type),
    ),
  };
}
