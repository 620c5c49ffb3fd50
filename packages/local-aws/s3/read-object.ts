/**
 * GetObject, HeadObject, GetObjectAttributes, GetObjectTagging: everything that reads one object.
 */
import {
  findObject,
  headerOf,
  httpTime,
  quoted,
  versionHeader,
  type Answer,
  type Call,
} from './call.ts';
import { checksumElement, checksumHeader } from './checksums.ts';
import { checkRead } from './conditions.ts';
import { encryptionHeader } from './encryption.ts';
import { isRefusal, refuse, type Refusal } from './errors.ts';
import type { Bucket, StoredObject } from './records.ts';
import { document, element, leaf } from './xml.ts';

interface Found {
  bucket: Bucket;
  object: StoredObject;
}

interface Extent {
  from: number;
  to: number;
}

const unsatisfiable = (object: StoredObject, asked: string): Refusal =>
  refuse('InvalidRange', undefined, { RangeRequested: asked, ActualObjectSize: object.bytes });

/** The last N bytes, as `bytes=-5` requests. */
function suffixOf(object: StoredObject, suffix: number, asked: string): Extent | Refusal {
  if (suffix === 0 || object.bytes === 0) return unsatisfiable(object, asked);
  return { from: Math.max(0, object.bytes - suffix), to: object.bytes - 1 };
}

/**
 * The extent of a Range header. Undefined means the whole object, also for a header of another
 * form, which HTTP requires to be ignored.
 */
function rangeOf(object: StoredObject, header: string): Extent | undefined | Refusal {
  const match = /^bytes=(?:(?<first>\d+)-(?<last>\d*)|-(?<suffix>\d+))$/.exec(header.trim());
  if (match?.groups === undefined) return undefined;
  const { first, last, suffix } = match.groups;
  if (suffix !== undefined) return suffixOf(object, Number(suffix), header);
  const from = Number(first);
  const to = last === undefined || last === '' ? Infinity : Number(last);
  if (to < from) return undefined;
  return from >= object.bytes
    ? unsatisfiable(object, header)
    : { from, to: Math.min(to, object.bytes - 1) };
}

/** The extent of ?partNumber=N. An object from a single PUT has one part. */
function partOf(call: Call, object: StoredObject, text: string): Extent | Refusal {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > 10_000)
    return refuse(
      'InvalidArgument',
      'Part number must be an integer between 1 and 10000, inclusive',
      { ArgumentName: 'partNumber', ArgumentValue: text },
    );
  if (headerOf(call, 'range') !== undefined)
    return refuse(
      'InvalidRequest',
      'Cannot specify both Range header and partNumber query parameter',
    );
  const parts = object.parts ?? [{ bytes: object.bytes }];
  const part = parts[number - 1];
  if (part === undefined)
    return refuse('InvalidPartNumber', undefined, {
      PartNumberRequested: number,
      ActualPartCount: parts.length,
    });
  const from = parts.slice(0, number - 1).reduce((sum, { bytes }) => sum + bytes, 0);
  return { from, to: from + part.bytes - 1 };
}

function extentOf(call: Call, object: StoredObject): Extent | undefined | Refusal {
  const part = call.query.get('partNumber');
  if (part !== null) return partOf(call, object, part);
  const range = headerOf(call, 'range');
  return range === undefined ? undefined : rangeOf(object, range);
}

const OVERRIDES = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
];

/** The headers of the object itself, whichever of its bytes are sent. */
function describe(call: Call, { bucket, object }: Found): Record<string, string> {
  const headers: Record<string, string> = {
    ...object.headers,
    ...versionHeader(bucket, object),
    etag: quoted(object.etag),
    'last-modified': httpTime(object.modifiedAtMs),
    'accept-ranges': 'bytes',
    ...encryptionHeader(call),
  };
  if (object.tags !== undefined && object.tags.length > 0)
    headers['x-amz-tagging-count'] = String(object.tags.length);
  if (object.parts !== undefined && call.query.has('partNumber'))
    headers['x-amz-mp-parts-count'] = String(object.parts.length);
  for (const name of OVERRIDES) {
    const value = call.query.get(`response-${name}`);
    if (value !== null) headers[name] = value;
  }
  return headers;
}

/**
 * Only with the whole object: clients verify what they receive against it, and a range would never
 * match.
 */
function checksumHeaders(call: Call, object: StoredObject): Record<string, string> {
  if (
    headerOf(call, 'x-amz-checksum-mode')?.toUpperCase() !== 'ENABLED' ||
    object.checksum === undefined
  )
    return {};
  const { algorithm, type, value } = object.checksum;
  return { [checksumHeader(algorithm)]: value, 'x-amz-checksum-type': type };
}

/**
 * The bytes themselves. Small bodies are read now, because they can move later; blobs are
 * referenced until they are sent.
 */
function contentOf(
  { store }: Call,
  { body }: StoredObject,
  { from, to }: Extent,
): Answer['content'] {
  if (body.at !== 'blobs') return store.readInline(body).subarray(from, to + 1);
  store.blobs.retain(body.segments);
  return { segments: body.segments, from, to };
}

/** GetObject and, with the method HEAD, HeadObject. */
export function getObject(call: Call): Answer | Refusal {
  const found = findObject(call);
  if (isRefusal(found)) return found;
  const { object } = found;
  const verdict = checkRead(call, object);
  if (verdict === 'not-modified') {
    return {
      status: 304,
      headers: { etag: quoted(object.etag), 'last-modified': httpTime(object.modifiedAtMs) },
    };
  }
  if (verdict !== 'read') return verdict;
  const extent = extentOf(call, object);
  if (extent !== undefined && isRefusal(extent)) return extent;
  return answerWith(call, found, extent);
}

function answerWith(call: Call, found: Found, extent: Extent | undefined): Answer {
  const { object } = found;
  const sent = extent ?? { from: 0, to: object.bytes - 1 };
  const sentBytes = sent.to - sent.from + 1;
  const headers = {
    ...describe(call, found),
    'content-length': String(sentBytes),
    ...(sentBytes === object.bytes ? checksumHeaders(call, object) : {}),
    ...(extent !== undefined && object.bytes > 0
      ? { 'content-range': `bytes ${sent.from}-${sent.to}/${object.bytes}` }
      : {}),
  };
  const status = extent === undefined ? 200 : 206;
  const content = call.request.method === 'HEAD' ? undefined : contentOf(call, object, sent);
  return { status, headers, ...(content !== undefined && { content }) };
}

const ATTRIBUTE_NAMES = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'];

/** Parts are listed only when each has its own checksum, as on AWS. */
function partsElement(call: Call, object: StoredObject): string {
  if (object.parts === undefined) return '';
  const after = Number(headerOf(call, 'x-amz-part-number-marker') ?? 0);
  const limit = Math.min(1000, Number(headerOf(call, 'x-amz-max-parts') ?? 1000));
  const listed =
    object.checksum?.type === 'COMPOSITE'
      ? object.parts.filter(({ number }) => number > after)
      : [];
  const page = listed.slice(0, limit);
  const paging =
    listed.length === 0
      ? ''
      : [
          leaf('PartNumberMarker', after),
          leaf('NextPartNumberMarker', page.at(-1)?.number ?? after),
          leaf('MaxParts', limit),
          leaf('IsTruncated', listed.length > page.length),
        ].join('');
  return element(
    'ObjectParts',
    leaf('PartsCount', object.parts.length),
    paging,
    ...page.map(({ number, bytes, checksum }) =>
      element(
        'Part',
        leaf('PartNumber', number),
        leaf('Size', bytes),
        leaf(checksumElement(checksum.algorithm), checksum.value),
      ),
    ),
  );
}

export function getObjectAttributes(call: Call): Answer | Refusal {
  const found = findObject(call);
  if (isRefusal(found)) return found;
  const { object } = found;
  const wanted = (headerOf(call, 'x-amz-object-attributes') ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (wanted.length === 0 || wanted.some((name) => !ATTRIBUTE_NAMES.includes(name))) {
    return refuse('InvalidArgument', 'Invalid attribute name specified.', {
      ArgumentName: 'x-amz-object-attributes',
      ArgumentValue: wanted.join(','),
    });
  }
  const { checksum } = object;
  const made: Record<string, string> = {
    ETag: leaf('ETag', object.etag),
    Checksum: checksum
      ? element(
          'Checksum',
          leaf(checksumElement(checksum.algorithm), checksum.value),
          leaf('ChecksumType', checksum.type),
        )
      : '',
    ObjectParts: partsElement(call, object),
    StorageClass: leaf('StorageClass', object.headers['x-amz-storage-class'] ?? 'STANDARD'),
    ObjectSize: leaf('ObjectSize', object.bytes),
  };
  return {
    status: 200,
    headers: { 'last-modified': httpTime(object.modifiedAtMs) },
    xml: document(
      'GetObjectAttributesResponse',
      ...ATTRIBUTE_NAMES.filter((name) => wanted.includes(name)).map((name) => made[name] ?? ''),
    ),
  };
}

export function getObjectTagging(call: Call): Answer | Refusal {
  const found = findObject(call);
  if (isRefusal(found)) return found;
  const tags = (found.object.tags ?? []).map(([name, value]) =>
    element('Tag', leaf('Key', name), leaf('Value', value)),
  );
  return { status: 200, xml: document('Tagging', element('TagSet', ...tags)) };
}
