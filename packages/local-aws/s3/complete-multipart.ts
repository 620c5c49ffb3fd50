/** CompleteMultipartUpload: the named parts become one object, and no byte is copied. */
import { createHash } from 'node:crypto';
import { findBucket, headerOf, quoted, type Answer, type Call } from './call.ts';
import {
  CHECKSUM_ALGORITHMS,
  checksumElement,
  checksumHeader,
  joinChecksums,
  type Checksum,
} from './checksums.ts';
import { checkWrite } from './conditions.ts';
import { encryptionHeader, writtenEtag } from './encryption.ts';
import { isRefusal, refuse, type Refusal } from './errors.ts';
import { findUpload } from './multipart.ts';
import type { PartRecord, StoredObject, StoredPart, Upload } from './records.ts';
import { readXml } from './write-object.ts';
import { childrenOf, document, leaf, textOf, type XmlNode } from './xml.ts';

const bare = (etag: string) => etag.replace(/^"(.*)"$/, '$1');

/** The stored part that one <Part> names. */
function namedPart(upload: Upload, node: XmlNode): StoredPart | Refusal {
  const number = Number(textOf(node, 'PartNumber') ?? Number.NaN);
  const etag = textOf(node, 'ETag');
  if (!Number.isInteger(number) || etag === undefined) return refuse('MalformedXML');
  const part = upload.parts.get(number);
  if (part === undefined || part.etag !== bare(etag))
    return refuse('InvalidPart', undefined, {
      UploadId: upload.id,
      PartNumber: number,
      ETag: etag,
    });
  const given = CHECKSUM_ALGORITHMS.find(
    (algorithm) => textOf(node, checksumElement(algorithm)) !== undefined,
  );
  if (given === undefined) {
    if (upload.checksum?.type !== 'COMPOSITE') return part;
    return refuse(
      'InvalidRequest',
      `The upload was created using a ${upload.checksum.algorithm.toLowerCase()} checksum. ` +
        'The complete request must include the checksum for each part. It was missing for ' +
        `part ${number} in the request.`,
    );
  }
  const matches =
    part.checksum.algorithm !== given ||
    part.checksum.value === textOf(node, checksumElement(given));
  return matches
    ? part
    : refuse('InvalidPart', undefined, { UploadId: upload.id, PartNumber: number, ETag: etag });
}

function namedParts(call: Call, upload: Upload, request: XmlNode): StoredPart[] | Refusal {
  const parts: StoredPart[] = [];
  for (const node of childrenOf(request, 'Part')) {
    const part = namedPart(upload, node);
    if (isRefusal(part)) return part;
    if (part.number <= (parts.at(-1)?.number ?? 0))
      return refuse('InvalidPartOrder', undefined, { UploadId: upload.id });
    parts.push(part);
  }
  if (parts.length === 0) return refuse('MalformedXML');
  const { partMinBytes } = call.settings;
  const small = parts.slice(0, -1).find(({ bytes }) => bytes < partMinBytes);
  if (small === undefined) return parts;
  return refuse('EntityTooSmall', undefined, {
    ProposedSize: small.bytes,
    MinSizeAllowed: partMinBytes,
    PartNumber: small.number,
    ETag: small.etag,
  });
}

/** The object's checksum, combined from those of its parts, which have the upload's algorithm. */
function checksumOf(upload: Upload, parts: readonly StoredPart[]): Checksum {
  const { algorithm, type } = upload.checksum ?? { algorithm: 'CRC64NVME', type: 'FULL_OBJECT' };
  return joinChecksums(
    algorithm,
    type,
    parts.map(({ checksum, bytes }) => ({ value: checksum.value, bytes })),
  );
}

/** Checks what the client states about the whole object. */
function checkWhole(
  call: Call,
  upload: Upload,
  bytes: number,
  checksum: Checksum,
): Refusal | undefined {
  const size = headerOf(call, 'x-amz-mp-object-size');
  if (size !== undefined && Number(size) !== bytes) {
    return refuse(
      'InvalidRequest',
      `The provided 'x-amz-mp-object-size' header does not match what was computed.`,
      { ComputedSize: bytes, ProposedSize: size },
    );
  }
  const type = headerOf(call, 'x-amz-checksum-type');
  if (type !== undefined && type !== checksum.type) {
    return refuse(
      'InvalidRequest',
      `The upload was created using the ${checksum.type} checksum mode. The complete ` +
        'request must use the same checksum mode.',
    );
  }
  const given = headerOf(call, checksumHeader(checksum.algorithm));
  if (given === undefined || given === checksum.value) return undefined;
  return refuse(
    'BadDigest',
    `The ${checksum.algorithm.toLowerCase()} you specified did not match the calculated checksum.`,
    { UploadId: upload.id },
  );
}

const multipartEtag = (parts: readonly StoredPart[]) =>
  `${createHash('md5')
    .update(Buffer.from(parts.map(({ etag }) => etag).join(''), 'hex'))
    .digest('hex')}-${parts.length}`;

function partRecord({ number, bytes, etag, modifiedAtMs, checksum }: StoredPart): PartRecord {
  return { number, bytes, etag, modifiedAtMs, checksum };
}

function assemble(upload: Upload, parts: readonly StoredPart[], checksum: Checksum): StoredObject {
  return {
    key: upload.key,
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
    etag: multipartEtag(parts),
    modifiedAtMs: Date.now(),
    headers: upload.headers,
    ...(upload.tags && { tags: upload.tags }),
    checksum,
    parts: parts.map(partRecord),
    body: { at: 'blobs', segments: parts.map(({ segment }) => segment) },
  };
}

/**
 * The object references its parts' blobs from here on. The upload releases its own references as it
 * ends.
 */
function finish(call: Call, object: StoredObject, upload: Upload): Promise<void> | Refusal {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  const refusal = checkWrite(call, bucket.objects.get(call.key));
  if (refusal !== undefined) return refusal;
  if (object.body.at === 'blobs') call.store.blobs.retain(object.body.segments);
  return call.store.putObject(bucket, object, upload.id);
}

export async function completeMultipartUpload(call: Call): Promise<Answer | Refusal> {
  const request = await readXml(call, 'CompleteMultipartUpload');
  if (isRefusal(request)) return request;
  const upload = findUpload(call);
  if (isRefusal(upload)) return upload;
  const parts = namedParts(call, upload, request);
  if (isRefusal(parts)) return parts;
  const checksum = checksumOf(upload, parts);
  const assembled = assemble(upload, parts, checksum);
  const object = { ...assembled, etag: writtenEtag(call, assembled.etag) };
  // No await between the check of the upload and here: another writer of the key, or an abort,
  // comes before or after.
  const finished = checkWhole(call, upload, object.bytes, checksum) ?? finish(call, object, upload);
  if (isRefusal(finished)) return finished;
  await finished;
  return {
    status: 200,
    headers: {
      ...encryptionHeader(call),
      ...(object.versionId !== undefined && { 'x-amz-version-id': object.versionId }),
    },
    xml: document(
      'CompleteMultipartUploadResult',
      leaf(
        'Location',
        `http://${call.request.headers.host ?? 'localhost'}/${call.bucketName}/${encodeURIComponent(call.key)}`,
      ),
      leaf('Bucket', call.bucketName),
      leaf('Key', call.key),
      leaf('ETag', quoted(object.etag)),
      leaf(checksumElement(checksum.algorithm), checksum.value),
      leaf('ChecksumType', checksum.type),
    ),
  };
}
