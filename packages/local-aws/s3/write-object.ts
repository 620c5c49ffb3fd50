/** PutObject, DeleteObject, DeleteObjects, PutObjectTagging, DeleteObjectTagging. */
import { readBody } from '../http-server.ts';
import {
  findBucket,
  findObject,
  headerOf,
  quoted,
  versionHeader,
  type Answer,
  type Call,
} from './call.ts';
import { checksumHeader } from './checksums.ts';
import { checkWrite } from './conditions.ts';
import { encryptionHeader, writtenEtag } from './encryption.ts';
import { isRefusal, refuse, type Refusal } from './errors.ts';
import { checkTags, headerTags, keptHeaders } from './kept-headers.ts';
import { receiveBody, type ReceivedBody } from './receive-body.ts';
import type { StoredObject } from './records.ts';
import { childrenOf, document, element, leaf, parseXml, textOf, type XmlNode } from './xml.ts';

/** The limit of one PutObject or UploadPart: 5 GiB. */
export const PUT_LIMIT_BYTES = 5 * 2 ** 30;
const XML_LIMIT_BYTES = 8 << 20;
const DELETE_LIMIT = 1000;

/** Releases the blobs of a body that is not stored. */
function drop({ store }: Call, { body }: ReceivedBody): void {
  if (body.at === 'blobs') store.blobs.release(body.segments);
}

export async function putObject(call: Call): Promise<Answer | Refusal> {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  const headers = keptHeaders(call);
  if (isRefusal(headers)) return headers;
  const tags = headerTags(call);
  if (tags !== undefined && isRefusal(tags)) return tags;
  const received = await receiveBody(call, { limitBytes: PUT_LIMIT_BYTES, algorithm: 'CRC64NVME' });
  if (isRefusal(received)) return received;
  const now = findBucket(call);
  const refusal = isRefusal(now) ? now : checkWrite(call, now.objects.get(call.key));
  if (isRefusal(now) || refusal !== undefined) {
    drop(call, received);
    return refusal ?? refuse('NoSuchBucket');
  }
  const { algorithm, value } = received.checksum;
  const object: StoredObject = {
    key: call.key,
    bytes: received.bytes,
    etag: writtenEtag(call, received.md5),
    modifiedAtMs: Date.now(),
    headers,
    ...(tags && { tags }),
    checksum: { algorithm, type: 'FULL_OBJECT', value },
    body: received.body,
  };
  await call.store.putObject(now, object);
  return {
    status: 200,
    headers: {
      etag: quoted(object.etag),
      ...versionHeader(now, object),
      [checksumHeader(algorithm)]: value,
      'x-amz-checksum-type': 'FULL_OBJECT',
      ...encryptionHeader(call),
    },
  };
}

export async function deleteObject(call: Call): Promise<Answer | Refusal> {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  if (call.query.has('versionId'))
    return refuse('NotImplemented', 'The local S3 does not delete single versions.');
  const object = bucket.objects.get(call.key);
  const refusal = headerOf(call, 'if-match') === undefined ? undefined : checkWrite(call, object);
  if (refusal !== undefined) return refusal;
  if (object !== undefined) await call.store.deleteObject(bucket, call.key);
  return { status: 204 };
}

/** The request's XML. Its digest is required where S3 requires it. */
export async function readXml(
  call: Call,
  root: string,
  digestDemanded = false,
): Promise<XmlNode | Refusal> {
  if (digestDemanded) {
    const { headers } = call.request;
    const isGiven =
      'content-md5' in headers ||
      'x-amz-trailer' in headers ||
      Object.keys(headers).some((name) => name.startsWith('x-amz-checksum-'));
    if (!isGiven)
      return refuse(
        'InvalidRequest',
        'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
      );
    const received = await receiveBody(
      { ...call, settings: { ...call.settings, inlineBytes: XML_LIMIT_BYTES } },
      { limitBytes: XML_LIMIT_BYTES, algorithm: 'CRC32' },
    );
    if (isRefusal(received)) return received;
    const text = received.body.at === 'memory' ? received.body.buffer.toString('utf8') : '';
    if (received.body.at === 'blobs') drop(call, received);
    return parseXml(text, root) ?? refuse('MalformedXML');
  }
  const body = await readBody(call.request, XML_LIMIT_BYTES);
  return (body && parseXml(body.toString('utf8'), root)) ?? refuse('MalformedXML');
}

export async function deleteObjects(call: Call): Promise<Answer | Refusal> {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  const request = await readXml(call, 'Delete', true);
  if (isRefusal(request)) return request;
  const keys = childrenOf(request, 'Object').map((object) => textOf(object, 'Key'));
  const named = keys.filter((key): key is string => key !== undefined && key !== '');
  if (keys.length === 0 || keys.length > DELETE_LIMIT || named.length < keys.length)
    return refuse('MalformedXML');
  const quiet = textOf(request, 'Quiet') === 'true';
  // Together, so that a thousand deletes are one write to disk.
  await Promise.all(
    named.map((key) =>
      bucket.objects.get(key) === undefined ? undefined : call.store.deleteObject(bucket, key),
    ),
  );
  const results = quiet ? [] : named.map((key) => element('Deleted', leaf('Key', key)));
  return { status: 200, xml: document('DeleteResult', ...results) };
}

/** Tags are a new version of the object's record. Its bytes and its time stay. */
async function setTags(
  call: Call,
  tags: [string, string][],
  status: number,
): Promise<Answer | Refusal> {
  const found = findObject(call);
  if (isRefusal(found)) return found;
  const { bucket, object } = found;
  if (object !== bucket.objects.get(call.key))
    return refuse('NotImplemented', 'The local S3 does not tag earlier versions.');
  if (object.body.at === 'blobs') call.store.blobs.retain(object.body.segments);
  await call.store.putObject(bucket, { ...object, tags });
  return { status };
}

export async function putObjectTagging(call: Call): Promise<Answer | Refusal> {
  const found = findObject(call);
  if (isRefusal(found)) return found;
  const request = await readXml(call, 'Tagging', true);
  if (isRefusal(request)) return request;
  const set = childrenOf(request, 'TagSet')[0] ?? {};
  const tags = checkTags(
    childrenOf(set, 'Tag').map((tag) => [textOf(tag, 'Key') ?? '', textOf(tag, 'Value') ?? '']),
  );
  return isRefusal(tags) ? tags : setTags(call, tags, 200);
}

export const deleteObjectTagging = (call: Call): Promise<Answer | Refusal> =>
  setTags(call, [], 204);
