/** Multipart uploads up to their completion: create, parts, copied parts, lists, abort. */
import { createHash, randomBytes } from 'node:crypto';
import type { Segment } from './blobs.ts';
import { countOf, findBucket, headerOf, isoTime, quoted, type Answer, type Call } from './call.ts';
import {
  canBe,
  checksumElement,
  checksumHeader,
  createDigest,
  defaultType,
  parseAlgorithm,
  type ChecksumAlgorithm,
  type ChecksumType,
} from './checksums.ts';
import { findSource, readBodyBytes } from './copy-object.ts';
import { encryptionHeader } from './encryption.ts';
import { isRefusal, refuse, type Refusal } from './errors.ts';
import { headerTags, keptHeaders } from './kept-headers.ts';
import { compareKeys } from './key-index.ts';
import { ownerElement } from './list-objects.ts';
import { receiveBody } from './receive-body.ts';
import type { Body, StoredObject, StoredPart, Upload, UploadRecord } from './records.ts';
import { PUT_LIMIT_BYTES } from './write-object.ts';
import { document, element, leaf } from './xml.ts';

const PART_LIMIT = 10_000;

export function findUpload(call: Call): Upload | Refusal {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  const id = call.query.get('uploadId') ?? '';
  const upload = call.store.uploads.get(id);
  if (upload === undefined || upload.bucket !== call.bucketName || upload.key !== call.key)
    return refuse('NoSuchUpload', undefined, { UploadId: id });
  return upload;
}

/** The checksum that the upload names. Undefined: none, and S3 computes a CRC64NVME. */
function uploadChecksum(call: Call): UploadRecord['checksum'] | Refusal {
  const named = headerOf(call, 'x-amz-checksum-algorithm');
  const type = headerOf(call, 'x-amz-checksum-type');
  if (named === undefined) {
    return type === undefined
      ? undefined
      : refuse(
          'InvalidRequest',
          'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
        );
  }
  const algorithm = parseAlgorithm(named);
  if (algorithm === undefined)
    return refuse(
      'InvalidRequest',
      'Checksum algorithm provided is unsupported. Please try again with any of the valid ' +
        'types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
    );
  const wanted: ChecksumType | undefined =
    type === undefined
      ? defaultType(algorithm)
      : (['FULL_OBJECT', 'COMPOSITE'] as const).find((one) => one === type);
  if (wanted === undefined)
    return refuse('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.');
  if (!canBe(algorithm, wanted))
    return refuse(
      'InvalidRequest',
      `The ${wanted} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    );
  return { algorithm, type: wanted };
}

export async function createMultipartUpload(call: Call): Promise<Answer | Refusal> {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  const headers = keptHeaders(call);
  if (isRefusal(headers)) return headers;
  const tags = headerTags(call);
  if (tags !== undefined && isRefusal(tags)) return tags;
  const checksum = uploadChecksum(call);
  if (checksum !== undefined && isRefusal(checksum)) return checksum;
  const id = randomBytes(48).toString('base64url');
  await call.store.createUpload({
    id,
    bucket: bucket.name,
    key: call.key,
    initiatedAtMs: call.nowMs,
    headers,
    ...(tags && { tags }),
    ...(checksum && { checksum }),
  });
  return {
    status: 200,
    headers: {
      ...encryptionHeader(call),
      ...(checksum && {
        'x-amz-checksum-algorithm': checksum.algorithm,
        'x-amz-checksum-type': checksum.type,
      }),
    },
    xml: document(
      'InitiateMultipartUploadResult',
      leaf('Bucket', bucket.name),
      leaf('Key', call.key),
      leaf('UploadId', id),
    ),
  };
}

function partNumberOf({ query }: Call): number | Refusal {
  const text = query.get('partNumber') ?? '';
  const number = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= PART_LIMIT) return number;
  return refuse(
    'InvalidArgument',
    `Part number must be an integer between 1 and ${PART_LIMIT}, inclusive`,
    { ArgumentName: 'partNumber', ArgumentValue: text },
  );
}

/** The algorithm whose checksum is stored for each part: the upload's, or S3's default. */
const keptAlgorithm = (upload: Upload): ChecksumAlgorithm =>
  upload.checksum?.algorithm ?? 'CRC64NVME';

export async function uploadPart(call: Call): Promise<Answer | Refusal> {
  const number = partNumberOf(call);
  if (typeof number !== 'number') return number;
  const upload = findUpload(call);
  if (isRefusal(upload)) return upload;
  const received = await receiveBody(call, {
    limitBytes: PUT_LIMIT_BYTES,
    algorithm: keptAlgorithm(upload),
    // So the object's checksum is combined at the end and no part is read again.
    keepWanted: true,
    alwaysBlob: true,
    accept(sent) {
      if (sent === undefined || upload.checksum === undefined || sent === upload.checksum.algorithm)
        return undefined;
      return refuse(
        'InvalidRequest',
        'Checksum Type mismatch occurred, expected checksum Type: ' +
          `${upload.checksum.algorithm.toLowerCase()}, actual checksum Type: ` +
          `${sent.toLowerCase()}`,
      );
    },
  });
  if (isRefusal(received)) return received;
  const [segment] = received.body.at === 'blobs' ? received.body.segments : [];
  if (segment === undefined) return refuse('InternalError');
  const refusal = await keepPart(call, {
    number,
    bytes: received.bytes,
    etag: received.md5,
    modifiedAtMs: Date.now(),
    checksum: received.kept,
    segment,
  });
  if (refusal !== undefined) return refusal;
  const { algorithm, value } = received.checksum;
  return {
    status: 200,
    headers: {
      etag: quoted(received.md5),
      ...encryptionHeader(call),
      [checksumHeader(algorithm)]: value,
    },
  };
}

/** Adds the part to its upload, which may have ended while the body arrived. */
async function keepPart(call: Call, part: StoredPart): Promise<Refusal | undefined> {
  const upload = findUpload(call);
  if (isRefusal(upload)) {
    call.store.blobs.release([part.segment]);
    return upload;
  }
  await call.store.putPart(upload, part);
  return undefined;
}

/**
 * The bytes that x-amz-copy-source-range names; unlike the range of a GET it must be within the
 * object.
 */
function copyRange(call: Call, source: StoredObject): { from: number; to: number } | Refusal {
  const header = headerOf(call, 'x-amz-copy-source-range');
  if (header === undefined) return { from: 0, to: source.bytes - 1 };
  const match = /^bytes=(\d+)-(\d+)$/.exec(header);
  const [from, to] = [Number(match?.[1] ?? 1), Number(match?.[2] ?? 0)];
  if (match === null || from > to) {
    return refuse(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first ' +
        'and last are the zero-based offsets of the first and last bytes to copy',
      { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header },
    );
  }
  if (to < source.bytes) return { from, to };
  return refuse(
    'InvalidArgument',
    `Range specified is not valid for source object of size: ${source.bytes}`,
    { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header },
  );
}

/** Copies bytes into a new blob and computes their digests. */
async function copyBytes(
  call: Call,
  body: Body,
  { from, to }: { from: number; to: number },
  algorithm: ChecksumAlgorithm,
) {
  const md5 = createHash('md5');
  const digest = createDigest(algorithm);
  const writer = await call.store.blobs.create();
  let finished = false;
  try {
    for await (const chunk of readBodyBytes(call, body, from, to)) {
      md5.update(chunk);
      digest.update(chunk);
      await writer.write([chunk]);
    }
    const segment: Segment = { blob: await writer.finish(), bytes: to - from + 1 };
    finished = true;
    return {
      segment,
      etag: md5.digest('hex'),
      checksum: { algorithm, value: digest.digest().toString('base64') },
    };
  } finally {
    if (!finished) await writer.discard();
  }
}

export async function uploadPartCopy(call: Call): Promise<Answer | Refusal> {
  const number = partNumberOf(call);
  if (typeof number !== 'number') return number;
  const upload = findUpload(call);
  if (isRefusal(upload)) return upload;
  const found = findSource(call);
  if (isRefusal(found)) return found;
  const { object: source } = found;
  const range = copyRange(call, source);
  if (isRefusal(range)) return range;
  const limitBytes = call.settings.copyLimitBytes;
  if (range.to - range.from + 1 > limitBytes) {
    return refuse(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${limitBytes}`,
    );
  }
  const body: Body =
    source.body.at === 'blobs'
      ? source.body
      : { at: 'memory', buffer: call.store.readInline(source.body) };
  const held = body.at === 'blobs' ? body.segments : [];
  call.store.blobs.retain(held);
  const copied = await copyBytes(call, body, range, keptAlgorithm(upload)).finally(() =>
    call.store.blobs.release(held),
  );
  const modifiedAtMs = Date.now();
  const refusal = await keepPart(call, {
    number,
    bytes: copied.segment.bytes,
    modifiedAtMs,
    ...copied,
  });
  if (refusal !== undefined) return refusal;
  const { algorithm, value } = copied.checksum;
  return {
    status: 200,
    xml: document(
      'CopyPartResult',
      leaf('LastModified', isoTime(modifiedAtMs)),
      leaf('ETag', quoted(copied.etag)),
      leaf(checksumElement(algorithm), value),
    ),
  };
}

export async function abortMultipartUpload(call: Call): Promise<Answer | Refusal> {
  const upload = findUpload(call);
  if (isRefusal(upload)) return upload;
  await call.store.abortUpload(upload);
  return { status: 204 };
}

export function listParts(call: Call): Answer | Refusal {
  const upload = findUpload(call);
  if (isRefusal(upload)) return upload;
  const limit = countOf(call, 'max-parts', 1000);
  if (typeof limit === 'object') return limit;
  const after = countOf(call, 'part-number-marker', PART_LIMIT) ?? 0;
  if (typeof after === 'object') return after;
  const parts = [...upload.parts.values()]
    .filter(({ number }) => number > after)
    .toSorted((a, b) => a.number - b.number);
  const page = parts.slice(0, limit ?? 1000);
  return {
    status: 200,
    xml: document(
      'ListPartsResult',
      leaf('Bucket', upload.bucket),
      leaf('Key', upload.key),
      leaf('UploadId', upload.id),
      ownerElement('Initiator'),
      ownerElement('Owner'),
      leaf('StorageClass', 'STANDARD'),
      leaf('PartNumberMarker', after),
      leaf('NextPartNumberMarker', page.at(-1)?.number ?? 0),
      leaf('MaxParts', limit ?? 1000),
      leaf('IsTruncated', parts.length > page.length),
      leaf('ChecksumAlgorithm', upload.checksum?.algorithm),
      leaf('ChecksumType', upload.checksum?.type),
      ...page.map((part) =>
        element(
          'Part',
          leaf('PartNumber', part.number),
          leaf('LastModified', isoTime(part.modifiedAtMs)),
          leaf('ETag', quoted(part.etag)),
          leaf('Size', part.bytes),
          upload.checksum
            ? leaf(checksumElement(part.checksum.algorithm), part.checksum.value)
            : '',
        ),
      ),
    ),
  };
}

/** By key, and by start within a key. */
const uploadOrder = (a: Upload, b: Upload) =>
  compareKeys(a.key, b.key) || a.initiatedAtMs - b.initiatedAtMs || (a.id < b.id ? -1 : 1);

export function listMultipartUploads(call: Call): Answer | Refusal {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  const limit = countOf(call, 'max-uploads', 1000) ?? 1000;
  if (typeof limit === 'object') return limit;
  const get = (name: string) => call.query.get(name) ?? '';
  if (get('delimiter') !== '')
    return refuse(
      'NotImplemented',
      'The local S3 does not group multipart uploads: leave the delimiter out.',
    );
  const [keyMarker, idMarker] = [get('key-marker'), get('upload-id-marker')];
  const sorted = [...call.store.uploads.values()]
    .filter(({ bucket: name, key }) => name === bucket.name && key.startsWith(get('prefix')))
    .toSorted(uploadOrder);
  const marked = sorted.findIndex(({ key, id }) => key === keyMarker && id === idMarker);
  const after =
    marked >= 0
      ? sorted.slice(marked + 1)
      : sorted.filter(({ key }) => keyMarker === '' || compareKeys(key, keyMarker) > 0);
  const page = after.slice(0, limit);
  const last = page.at(-1);
  return {
    status: 200,
    xml: document(
      'ListMultipartUploadsResult',
      leaf('Bucket', bucket.name),
      leaf('KeyMarker', keyMarker),
      leaf('UploadIdMarker', idMarker),
      leaf('Prefix', get('prefix')),
      leaf('NextKeyMarker', last?.key),
      leaf('NextUploadIdMarker', last?.id),
      leaf('MaxUploads', limit),
      leaf('IsTruncated', after.length > page.length),
      ...page.map((upload) =>
        element(
          'Upload',
          leaf('Key', upload.key),
          leaf('UploadId', upload.id),
          ownerElement('Initiator'),
          ownerElement('Owner'),
          leaf('StorageClass', 'STANDARD'),
          leaf('Initiated', isoTime(upload.initiatedAtMs)),
          leaf('ChecksumAlgorithm', upload.checksum?.algorithm),
          leaf('ChecksumType', upload.checksum?.type),
        ),
      ),
    ),
  };
}
