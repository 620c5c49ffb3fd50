/** What a file in S3 holds: from the memo, from what a listing shows, and by HEAD where neither tells. */
import {
  crcIdentity,
  etagIdentity,
  strongIdentity,
  type FileIdentity,
} from '../core/cache/identity.ts';
import { parseS3Url } from '../core/files/s3-url.ts';
import type { EtagTrust } from './etag-trust.ts';
import { nothing, type IdentitySources, type InputSeen } from './identity-sources.ts';
import { isPermanent } from './s3-errors.ts';
import type { DescribedObject, ObjectStore, SeenObject } from './s3.ts';

export const bucketOf = (url: string): string => parseS3Url(url)?.bucket ?? '';

export const noteEtag = (etags: EtagTrust, { url, etag, sizeBytes }: SeenObject): void =>
  etags.note(bucketOf(url), etag, sizeBytes);

/** The memo knows objects by their ETags: where those cannot be trusted it is not asked. */
export async function recallSums(
  { memo, etags }: IdentitySources,
  objects: readonly SeenObject[],
): Promise<(string | undefined)[]> {
  const asked = objects.filter(({ url, etag }) => etag !== '' && etags.trusts(bucketOf(url)));
  const recalled = asked.length === 0 ? [] : await memo.recall(asked);
  const sums = new Map(asked.map((object, position) => [object, recalled[position]]));
  return objects.map((object) => sums.get(object));
}

export async function whyUnseen(sources: IdentitySources, url: string): Promise<InputSeen> {
  const described = await describeOrWhy(sources.objects, url);
  return typeof described === 'string'
    ? nothing(described)
    : fileSeen(sources, described, undefined);
}

export async function describeOrWhy(
  objects: ObjectStore,
  url: string,
): Promise<DescribedObject | 'missing' | 'denied'> {
  try {
    return (await objects.describe(url)) ?? 'missing';
  } catch (error) {
    if (isPermanent(error)) return 'denied';
    throw error;
  }
}

interface FileSeen {
  object: SeenObject;
  identity?: FileIdentity;
  listed?: FileIdentity;
  sum?: string;
}

export async function fileSeen(
  sources: IdentitySources,
  object: SeenObject,
  recalled: string | undefined,
): Promise<InputSeen> {
  const told = await identify(sources, object, recalled);
  if (typeof told === 'string') return nothing(told);
  const { identity, listed, sum, object: asSeen } = told;
  const facts = {
    read: [{ name: '', etag: asSeen.etag, sizeBytes: asSeen.sizeBytes }],
    sizeBytes: asSeen.sizeBytes,
    modifiedMs: asSeen.lastModifiedMs,
  };
  if (identity === undefined) return { ...facts, why: 'no-identity' };
  return { ...facts, identity, listed: listed ?? identity, ...(sum !== undefined && { sum }) };
}

/** From the memo, from a checksum that came along, from the ETag, and by HEAD where none of them tells. */
export async function identify(
  sources: IdentitySources,
  object: SeenObject,
  recalled: string | undefined,
): Promise<FileSeen | 'missing' | 'denied'> {
  const trusted = sources.etags.trusts(bucketOf(object.url));
  const listed = trusted ? etagIdentity(object.etag, object.sizeBytes) : undefined;
  const plain = { object, ...(listed !== undefined && { listed }) };
  const { prefersSha256 } = sources;
  if (recalled !== undefined && !prefersSha256)
    return { ...plain, identity: crcIdentity(recalled, object.sizeBytes), sum: recalled };
  if ('checksums' in object) return withChecksums(sources, object as DescribedObject, plain);
  if (listed !== undefined && !prefersSha256) return { ...plain, identity: listed };
  const described = await describeOrWhy(sources.objects, object.url);
  return typeof described === 'string'
    ? described
    : withChecksums(sources, described, { ...plain, object: described });
}

export async function withChecksums(
  { memo, etags, prefersSha256 }: IdentitySources,
  described: DescribedObject,
  plain: FileSeen,
): Promise<FileSeen> {
  const { url, etag, sizeBytes, checksums } = described;
  const identity = strongIdentity(checksums, sizeBytes, prefersSha256) ?? plain.listed;
  if (checksums.crc64nvme === undefined) return { ...plain, ...(identity && { identity }) };
  const sum = Buffer.from(checksums.crc64nvme, 'base64').toString('hex');
  if (etags.trusts(bucketOf(url))) await memo.learn([{ url, etag, sizeBytes, sum }]);
  return { ...plain, ...(identity && { identity }), sum };
}
