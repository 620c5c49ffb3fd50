/** ListObjectsV2 and ListObjects: pages of keys in UTF-8 order, grouped by a delimiter. */
import { countOf, findBucket, isoTime, quoted, type Answer, type Call } from './call.ts';
import { isRefusal, refuse, type Refusal } from './errors.ts';
import { compareKeys, type KeyIndex } from './key-index.ts';
import type { StoredObject } from './records.ts';
import { document, element, leaf } from './xml.ts';

const PAGE_LIMIT = 1000;
const OWNER = {
  id: '75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a',
  name: 'local',
};
export const ownerElement = (name: string): string =>
  element(name, leaf('ID', OWNER.id), leaf('DisplayName', OWNER.name));

interface PageRequest {
  prefix: string;
  delimiter: string;
  /** Only what sorts after this key or group. */
  after: string;
  maxKeys: number;
}

interface Page {
  objects: StoredObject[];
  groups: string[];
  /** The last key or group on the page, when there is more. */
  next?: string;
}

/** The key up to the first delimiter after the prefix. */
function groupOf({ prefix, delimiter }: PageRequest, key: string): string | undefined {
  const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
  return end === -1 ? undefined : key.slice(0, end + delimiter.length);
}

/** One page. A group counts as one of the keys and costs one search, however many keys it holds. */
function listPage(objects: KeyIndex<StoredObject>, request: PageRequest): Page {
  const { prefix, after, maxKeys } = request;
  const page: Page = { objects: [], groups: [] };
  const cursor = objects.from(
    (key) => compareKeys(key, prefix) < 0 || (after !== '' && compareKeys(key, after) <= 0),
  );
  // After a page that ended with a group, the next page starts after the whole group.
  if (groupOf(request, after) === after)
    cursor.skip((key) => compareKeys(key, after) <= 0 || key.startsWith(after));
  let last = '';
  for (;;) {
    const entry = cursor.here();
    if (entry === undefined || !entry.key.startsWith(prefix)) return page;
    if (page.objects.length + page.groups.length === maxKeys)
      return maxKeys === 0 ? page : { ...page, next: last };
    const group = groupOf(request, entry.key);
    last = group ?? entry.key;
    if (group === undefined) {
      page.objects.push(entry.value);
      cursor.next();
    } else {
      page.groups.push(group);
      cursor.skip((key) => compareKeys(key, group) <= 0 || key.startsWith(group));
    }
  }
}

/** As S3 encodes keys on request: everything but unreserved characters and the slash. */
const urlEncode = (text: string) =>
  encodeURIComponent(text)
    .replace(/%2F/g, '/')
    .replace(/[!'()*]/g, (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`);

interface ListRequest extends PageRequest {
  encode: (text: string) => string;
  encoding: string | undefined;
}

function listRequest(call: Call, after: string): ListRequest | Refusal {
  const maxKeys = countOf(call, 'max-keys', PAGE_LIMIT);
  if (typeof maxKeys === 'object') return maxKeys;
  const encoding = call.query.get('encoding-type') ?? undefined;
  if (encoding !== undefined && encoding !== 'url') {
    return refuse('InvalidArgument', 'Invalid Encoding Method specified in Request', {
      ArgumentName: 'encoding-type',
      ArgumentValue: encoding,
    });
  }
  const get = (name: string) => call.query.get(name) ?? '';
  const encode = encoding === undefined ? (text: string) => text : urlEncode;
  return {
    prefix: get('prefix'),
    delimiter: get('delimiter'),
    after,
    maxKeys: maxKeys ?? PAGE_LIMIT,
    encode,
    encoding,
  };
}

function contents({ encode }: ListRequest, object: StoredObject, withOwner: boolean): string {
  return element(
    'Contents',
    leaf('Key', encode(object.key)),
    leaf('LastModified', isoTime(object.modifiedAtMs)),
    leaf('ETag', quoted(object.etag)),
    object.checksum
      ? leaf('ChecksumAlgorithm', object.checksum.algorithm) +
          leaf('ChecksumType', object.checksum.type)
      : '',
    leaf('Size', object.bytes),
    withOwner ? ownerElement('Owner') : '',
    leaf('StorageClass', object.headers['x-amz-storage-class'] ?? 'STANDARD'),
  );
}

const commonPrefixes = ({ encode }: ListRequest, { groups }: Page) =>
  groups.map((group) => element('CommonPrefixes', leaf('Prefix', encode(group))));

export function listObjectsV2(call: Call): Answer | Refusal {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  const token = call.query.get('continuation-token') ?? undefined;
  if (token === '')
    return refuse('InvalidArgument', 'The continuation token provided is incorrect', {
      ArgumentName: 'continuation-token',
    });
  const startAfter = call.query.get('start-after') ?? undefined;
  const request = listRequest(
    call,
    token === undefined ? (startAfter ?? '') : Buffer.from(token, 'base64url').toString('utf8'),
  );
  if (isRefusal(request)) return request;
  const page = listPage(bucket.objects, request);
  const withOwner = call.query.get('fetch-owner') === 'true';
  const { encode } = request;
  return {
    status: 200,
    headers: { 'x-amz-bucket-region': call.settings.region },
    xml: document(
      'ListBucketResult',
      leaf('Name', bucket.name),
      leaf('Prefix', encode(request.prefix)),
      leaf('StartAfter', startAfter && encode(startAfter)),
      leaf('ContinuationToken', token),
      leaf('NextContinuationToken', page.next && Buffer.from(page.next).toString('base64url')),
      leaf('KeyCount', page.objects.length + page.groups.length),
      leaf('MaxKeys', request.maxKeys),
      leaf('Delimiter', request.delimiter === '' ? undefined : encode(request.delimiter)),
      leaf('EncodingType', request.encoding),
      leaf('IsTruncated', page.next !== undefined),
      ...page.objects.map((object) => contents(request, object, withOwner)),
      ...commonPrefixes(request, page),
    ),
  };
}

export function listObjects(call: Call): Answer | Refusal {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  const marker = call.query.get('marker') ?? '';
  const request = listRequest(call, marker);
  if (isRefusal(request)) return request;
  const page = listPage(bucket.objects, request);
  const { encode, delimiter } = request;
  return {
    status: 200,
    headers: { 'x-amz-bucket-region': call.settings.region },
    xml: document(
      'ListBucketResult',
      leaf('Name', bucket.name),
      leaf('Prefix', encode(request.prefix)),
      leaf('Marker', encode(marker)),
      // Without a delimiter the client continues from the last key it received.
      leaf(
        'NextMarker',
        delimiter === '' || page.next === undefined ? undefined : encode(page.next),
      ),
      leaf('MaxKeys', request.maxKeys),
      leaf('Delimiter', delimiter === '' ? undefined : encode(delimiter)),
      leaf('EncodingType', request.encoding),
      leaf('IsTruncated', page.next !== undefined),
      ...page.objects.map((object) => contents(request, object, true)),
      ...commonPrefixes(request, page),
    ),
  };
}
