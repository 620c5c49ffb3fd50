/** The headers of a write that S3 keeps and returns with the object. */
import { headerOf, type Call } from './call.ts';
import { refuse, type Refusal } from './errors.ts';
import type { KeptHeaders } from './records.ts';

const CONTENT_HEADERS = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
];
const OTHER_HEADERS = ['x-amz-storage-class', 'x-amz-website-redirect-location'];
const USER_PREFIX = 'x-amz-meta-';
const USER_LIMIT_BYTES = 2048;

function withoutChunked(encoding: string): string {
  return encoding
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== 'aws-chunked')
    .join(',');
}

/** User metadata of the request, also in a presigned URL. */
function userMetadata(call: Call): KeptHeaders {
  const found: KeptHeaders = {};
  for (const name of [...Object.keys(call.request.headers), ...call.query.keys()]) {
    const value = name.startsWith(USER_PREFIX) ? headerOf(call, name) : undefined;
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/**
 * The headers to keep. Refused when user metadata exceeds 2 KB or the encryption is not
 * implemented.
 */
export function keptHeaders(call: Call): KeptHeaders | Refusal {
  const encryption = headerOf(call, 'x-amz-server-side-encryption') ?? 'AES256';
  if (
    encryption !== 'AES256' ||
    headerOf(call, 'x-amz-server-side-encryption-customer-algorithm') !== undefined
  ) {
    return refuse(
      'NotImplemented',
      'The local S3 keeps no keys: encrypt with AES256 or leave it to the default.',
    );
  }
  const user = userMetadata(call);
  const userBytes = Object.entries(user).reduce(
    (sum, [name, value]) => sum + name.length - USER_PREFIX.length + value.length,
    0,
  );
  if (userBytes > USER_LIMIT_BYTES)
    return refuse('MetadataTooLarge', undefined, {
      Size: userBytes,
      MaxSizeAllowed: USER_LIMIT_BYTES,
    });
  const kept: KeptHeaders = { 'content-type': 'binary/octet-stream' };
  for (const name of [...CONTENT_HEADERS, ...OTHER_HEADERS]) {
    const value = headerOf(call, name);
    const used = value !== undefined && name === 'content-encoding' ? withoutChunked(value) : value;
    if (used !== undefined && used !== '') kept[name] = used;
  }
  if (kept['x-amz-storage-class'] === 'STANDARD') delete kept['x-amz-storage-class'];
  return { ...kept, ...user };
}

type Tags = [name: string, value: string][];

/** The rules for tags: at most ten, each name once, names of 128 and values of 256 characters. */
export function checkTags(tags: Tags): Tags | Refusal {
  if (tags.length > 10) return refuse('InvalidTag', 'Object tags cannot be greater than 10');
  if (new Set(tags.map(([name]) => name)).size < tags.length)
    return refuse('InvalidTag', 'Cannot provide multiple Tags with the same key');
  for (const [name, value] of tags) {
    if (name === '' || name.length > 128)
      return refuse('InvalidTag', 'The TagKey you have provided is invalid', { TagKey: name });
    if (value.length > 256)
      return refuse('InvalidTag', 'The TagValue you have provided is invalid', { TagValue: value });
  }
  return tags;
}

/** The tags of the x-amz-tagging header, which is a query string. */
export function headerTags(call: Call): Tags | undefined | Refusal {
  const text = headerOf(call, 'x-amz-tagging');
  return text === undefined ? undefined : checkTags([...new URLSearchParams(text)]);
}
