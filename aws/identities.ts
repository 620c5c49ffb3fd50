/**
 * What the inputs of tasks hold, without reading them: their identities (core/cache/identity.ts), by listing where
 * inputs lie together, from the memo of what was read or written before, and by HEAD where neither tells.
 */
import { Crc64Nvme } from '@aws-sdk/checksums/crc';
import { createHash } from 'node:crypto';
import {
  crcIdentity,
  etagIdentity,
  strongIdentity,
  type FileIdentity,
} from '../core/cache/identity.ts';
import { directorySum, type ReadInput, type ReadObject } from '../core/cache/read-digest.ts';
import { parseS3Url } from '../core/files/s3-url.ts';
import { sha256 } from '../core/ids.ts';
import type { InputOf } from '../core/task/task.ts';
import type { EtagTrust } from './etag-trust.ts';
import { inParallel } from './in-parallel.ts';
import { seeObjects } from './see-objects.ts';
import { isPermanent, statusOf } from './s3-errors.ts';
import type { DescribedObject, ObjectStore, SeenObject } from './s3.ts';

/** Why an input has no identity. */
export type WhyNoIdentity =
  /** Nothing is there. */
  | 'missing'
  /** It may not be read. */
  | 'denied'
  /** S3 keeps neither an ETag nor a checksum of the whole object that tells its bytes. */
  | 'no-identity'
  /** It is not in S3: http, or a folder that hosts share. */
  | 'not-in-s3'
  /** The task reads or writes it without declaring it. */
  | 'undeclared';

export interface InputSeen {
  /** The strongest that is known; absent: see `why`. */
  identity?: FileIdentity;
  /** What a listing alone says; the strong one where a listing says nothing. Absent with `identity`. */
  listed?: FileIdentity;
  why?: WhyNoIdentity;
  /** The objects it consists of, as they were listed. */
  read: ReadInput;
  /** CRC64NVME of a file or sum of a directory (core/cache/read-digest.ts), hex, where it is known. */
  sum?: string;
  /** For people who read explanations; decides nothing. */
  sizeBytes: number;
  /** When the object, or the newest of a directory, was last modified, epoch ms; 0 for content. Decides nothing. */
  modifiedMs: number;
}

export interface KnownObject {
  /** Of a directory the prefix, with its slash. */
  url: string;
  /** Of a directory the digest of its listing. */
  etag: string;
  sizeBytes: number;
}

/** What objects hold that were read or written before: object as a listing shows it -> its sum, hex. */
export interface IdentityMemo {
  /** In the order given. */
  recall(objects: readonly KnownObject[]): Promise<(string | undefined)[]>;
  learn(objects: readonly (KnownObject & { sum: string })[]): Promise<void>;
}

export interface IdentitySources {
  objects: ObjectStore;
  memo: IdentityMemo;
  etags: EtagTrust;
}

/** Names what an input's identity depends on; equal keys are looked at once. */
export function inputKey(input: InputOf<string>): string {
  const content = contentOf(input);
  return content === undefined
    ? `${input.type} ${input.url}`
    : `content ${sha256(content).toString('hex')}`;
}

/** As the task script takes it: an empty content beside a URL is none. */
const contentOf = ({ content, url }: InputOf<string>): string | undefined =>
  content === '' && url !== undefined ? undefined : content;

const nothing = (why: WhyNoIdentity): InputSeen => ({
  why,
  read: null,
  sizeBytes: 0,
  modifiedMs: 0,
});

/** What all inputs hold, by `inputKey`. One request per 1,000 files of a folder where they lie together. */
export async function resolveInputs(
  sources: IdentitySources,
  inputs: readonly InputOf<string>[],
): Promise<Map<string, InputSeen>> {
  const wanted = new Map(inputs.map((input) => [inputKey(input), input]));
  const found = new Map<string, InputSeen>();
  const files = new Map<string, string>();
  const folders: [key: string, url: string][] = [];
  for (const [key, input] of wanted) {
    const { url, type } = input;
    const content = contentOf(input);
    if (content !== undefined) found.set(key, await contentSeen(content));
    else if (url === undefined || !parseS3Url(url)) found.set(key, nothing('not-in-s3'));
    else if (type === 'DIRECTORY') folders.push([key, url]);
    else files.set(key, url);
  }
  await Promise.all([
    resolveFiles(sources, files, found),
    inParallel(
      folders.map(
        ([key, url]) =>
          async () =>
            void found.set(key, await resolveFolder(sources, url)),
      ),
    ),
  ]);
  return found;
}

/** The same bytes are the same input, whether they came by URL or in the task itself. */
async function contentSeen(content: string): Promise<InputSeen> {
  const bytes = Buffer.from(content);
  const crc = new Crc64Nvme();
  crc.update(bytes);
  const sum = Buffer.from(await crc.digest()).toString('hex');
  const listed = etagIdentity(createHash('md5').update(bytes).digest('hex'), bytes.length);
  const identity = crcIdentity(sum, bytes.length);
  return {
    identity,
    listed: listed ?? identity,
    read: null,
    sizeBytes: bytes.length,
    modifiedMs: 0,
  };
}

async function resolveFiles(
  sources: IdentitySources,
  files: ReadonlyMap<string, string>,
  found: Map<string, InputSeen>,
): Promise<void> {
  const seen = await seeObjects(sources.objects, [...files.values()]);
  for (const one of seen.values()) noteEtag(sources.etags, one);
  const listed = [...files].flatMap(([key, url]) => {
    const object = seen.get(url);
    return object ? [{ key, object }] : [];
  });
  const known = await recallSums(
    sources,
    listed.map(({ object }) => object),
  );
  await inParallel([
    ...listed.map(({ key, object }, position) => async () => {
      found.set(key, await fileSeen(sources, object, known[position]));
    }),
    ...[...files].flatMap(([key, url]) =>
      seen.has(url) ? [] : [async () => void found.set(key, await whyUnseen(sources, url))],
    ),
  ]);
}

const bucketOf = (url: string): string => parseS3Url(url)?.bucket ?? '';

const noteEtag = (etags: EtagTrust, { url, etag, sizeBytes }: SeenObject): void =>
  etags.note(bucketOf(url), etag, sizeBytes);

/** The memo knows objects by their ETags: where those cannot be trusted it is not asked. */
async function recallSums(
  { memo, etags }: IdentitySources,
  objects: readonly SeenObject[],
): Promise<(string | undefined)[]> {
  const asked = objects.filter(({ url, etag }) => etag !== '' && etags.trusts(bucketOf(url)));
  const recalled = asked.length === 0 ? [] : await memo.recall(asked);
  const sums = new Map(asked.map((object, position) => [object, recalled[position]]));
  return objects.map((object) => sums.get(object));
}

async function whyUnseen(sources: IdentitySources, url: string): Promise<InputSeen> {
  const described = await describeOrWhy(sources.objects, url);
  return typeof described === 'string'
    ? nothing(described)
    : fileSeen(sources, described, undefined);
}

async function describeOrWhy(
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

async function fileSeen(
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
async function identify(
  sources: IdentitySources,
  object: SeenObject,
  recalled: string | undefined,
): Promise<FileSeen | 'missing' | 'denied'> {
  const trusted = sources.etags.trusts(bucketOf(object.url));
  const listed = trusted ? etagIdentity(object.etag, object.sizeBytes) : undefined;
  const plain = { object, ...(listed !== undefined && { listed }) };
  if (recalled !== undefined)
    return { ...plain, identity: crcIdentity(recalled, object.sizeBytes), sum: recalled };
  if ('checksums' in object) return withChecksums(sources, object as DescribedObject, plain);
  if (listed !== undefined) return { ...plain, identity: listed };
  const described = await describeOrWhy(sources.objects, object.url);
  return typeof described === 'string'
    ? described
    : withChecksums(sources, described, { object: described });
}

async function withChecksums(
  { memo, etags }: IdentitySources,
  described: DescribedObject,
  plain: FileSeen,
): Promise<FileSeen> {
  const { url, etag, sizeBytes, checksums } = described;
  const identity = strongIdentity(checksums, sizeBytes) ?? plain.listed;
  if (checksums.crc64nvme === undefined) return { ...plain, ...(identity && { identity }) };
  const sum = Buffer.from(checksums.crc64nvme, 'base64').toString('hex');
  if (etags.trusts(bucketOf(url))) await memo.learn([{ url, etag, sizeBytes, sum }]);
  return { ...plain, ...(identity && { identity }), sum };
}

/** How the memo knows a directory, from what follows `etag` in its identity. */
export const knownFolderEtag = (listed: string): string => listed.replace(/^directory /, '');

/** A member of a directory, named by what follows the prefix; a marker of a folder ends in '/'. */
interface Member extends ReadObject {
  identity: FileIdentity;
  listed: FileIdentity;
  sum?: string;
}

interface Listed {
  members: Member[];
  /** The prefix itself exists, or something below it. */
  exists: boolean;
  sizeBytes: number;
  modifiedMs: number;
}

async function resolveFolder(sources: IdentitySources, url: string): Promise<InputSeen> {
  const prefix = url.endsWith('/') ? url : `${url}/`;
  let listed: Listed | WhyNoIdentity;
  try {
    listed = await listMembers(sources, prefix);
  } catch (error) {
    if (!isPermanent(error)) throw error;
    return nothing(statusOf((error as Error).cause) === 404 ? 'missing' : 'denied');
  }
  if (typeof listed === 'string') return nothing(listed);
  return listed.exists ? folderSeen(sources, prefix, listed) : nothing('missing');
}

async function listMembers(
  sources: IdentitySources,
  prefix: string,
): Promise<Listed | WhyNoIdentity> {
  const all: Listed = { members: [], exists: false, sizeBytes: 0, modifiedMs: 0 };
  for await (const page of sources.objects.list(prefix)) {
    all.exists ||= page.length > 0;
    for (const one of page) noteEtag(sources.etags, one);
    // The console marks a folder by an object of its own name, which is no file in it.
    const inside = page.filter(({ url }) => url !== prefix);
    const members = await inParallel(
      inside.map((one) => () => memberSeen(sources, one, prefix.length)),
    );
    for (const [position, member] of members.entries()) {
      if (typeof member === 'string') return member;
      all.members.push(member);
      all.sizeBytes += member.sizeBytes;
      all.modifiedMs = Math.max(all.modifiedMs, inside[position]?.lastModifiedMs ?? 0);
    }
  }
  return all;
}

async function memberSeen(
  sources: IdentitySources,
  object: SeenObject,
  prefixLength: number,
): Promise<Member | WhyNoIdentity> {
  const told = await identify(sources, object, undefined);
  if (typeof told === 'string') return told;
  const { identity, listed, sum } = told;
  if (identity === undefined) return 'no-identity';
  return {
    name: object.url.slice(prefixLength),
    etag: object.etag,
    sizeBytes: object.sizeBytes,
    identity,
    listed: listed ?? identity,
    ...(sum !== undefined && { sum }),
  };
}

const digestOf = (value: unknown): string =>
  sha256(JSON.stringify(value)).toString('hex').slice(0, 32);

async function folderSeen(
  sources: IdentitySources,
  prefix: string,
  { members, sizeBytes, modifiedMs }: Listed,
): Promise<InputSeen> {
  const read = members.map(({ name, etag, sizeBytes: bytes }) => ({
    name,
    etag,
    sizeBytes: bytes,
  }));
  const etag = digestOf(members.map((one) => [one.name, one.listed]));
  const listed = `etag directory ${etag}`;
  const sum = await folderSum(sources, members, { url: prefix, etag, sizeBytes });
  const identity = sum === undefined ? listed : `directory ${sum}`;
  return { identity, listed, read, sizeBytes, modifiedMs, ...(sum !== undefined && { sum }) };
}

async function folderSum(
  { memo, etags }: IdentitySources,
  members: readonly Member[],
  folder: KnownObject,
): Promise<string | undefined> {
  const summed = members.flatMap(({ name, sizeBytes: bytes, sum }) =>
    sum === undefined ? [] : [{ name, sizeBytes: bytes, crc64nvme: sum }],
  );
  if (summed.length === members.length) return directorySum(summed);
  if (!etags.trusts(bucketOf(folder.url))) return undefined;
  const [recalled] = await memo.recall([folder]);
  return recalled;
}

/**
 * Asks S3 for the checksums of inputs that only a listing has told of, so that they have their strong identity from
 * then on. One HEAD per object: for calls that may be hits, never for all.
 */
export async function strengthen(
  sources: IdentitySources,
  inputs: readonly InputOf<string>[],
): Promise<void> {
  const urls = new Set(
    inputs.flatMap((input) => {
      const { url, type } = input;
      const isFile = contentOf(input) === undefined && type === 'FILE';
      return isFile && url !== undefined && parseS3Url(url) ? [url] : [];
    }),
  );
  await inParallel(
    [...urls].map((url) => async () => {
      const described = await describeOrWhy(sources.objects, url);
      if (typeof described !== 'string')
        await withChecksums(sources, described, { object: described });
    }),
  );
}
