/**
 * The identity of an input, without reading it. Equal identities mean equal bytes. Different
 * identities can belong to equal bytes, which only costs a cache miss.
 *
 * A single-part ETag is the MD5 of the content and comes with listings, 1,000 at a time. A
 * multipart ETag depends on the parts and changes on copy, so only such an object is asked for its
 * full checksum.
 */
import { sha256 } from '../core/ids.ts';
import { formatS3Url, parseS3Url } from '../core/files/s3-url.ts';
import type { InputOf } from '../core/task/task.ts';
import { isPermanent } from './s3-errors.ts';
import type { DescribedObject, ObjectStore, SeenObject } from './s3.ts';

export interface InputSeen {
  /** Undefined if the object does not exist, or if its content cannot be identified (http). */
  identity: string | undefined;
  /** Last modification of the object, or of the newest one in a directory. 0 for content. */
  modifiedMs: number;
}

const NOT_THERE: InputSeen = { identity: undefined, modifiedMs: 0 };

const CHECKSUM_ORDER = ['crc64nvme', 'sha256', 'sha1', 'crc32c', 'crc32'] as const;
/** From this many objects of one folder on, a listing is cheaper than single requests. */
const LISTING_PAYS_FROM = 4;
/** A folder is listed only while a page of 1,000 shows at least this many of the wanted objects. */
const WANTED_PER_PAGE = 2;
/**
 * The files of a chunk of a scatter are adjacent. A few others between them should not cost another
 * page.
 */
const STRANGERS = 20;
const ASKED_AT_ONCE = 16;

/**
 * The identities of all inputs, by `identityKey`. One request per 1,000 adjacent files of a folder.
 */
export async function resolveIdentities(
  objects: ObjectStore,
  inputs: readonly InputOf<string>[],
): Promise<Map<string, InputSeen>> {
  const wanted = new Map(inputs.map((input) => [identityKey(input), input]));
  const found = new Map<string, InputSeen>();
  const files: string[] = [];
  const work: (() => Promise<void>)[] = [];

  for (const [key, input] of wanted) {
    if (input.content !== undefined)
      found.set(key, { identity: identityKey(input), modifiedMs: 0 });
    else if (input.url === undefined || !parseS3Url(input.url)) found.set(key, NOT_THERE);
    else if (input.type === 'DIRECTORY')
      work.push(directoryIdentity(objects, key, input.url, found));
    else files.push(input.url);
  }
  const seen = await seeObjects(objects, files);
  for (const url of files)
    work.push(
      async () => void found.set(fileKey(url), await identityOf(objects, url, seen.get(url))),
    );
  await inParallel(work);
  return found;
}

const fileKey = (url: string): string => `FILE ${url}`;

/** The same for inputs that have the same bytes. */
export const identityKey = (input: InputOf<string>): string =>
  input.content === undefined
    ? `${input.type} ${input.url}`
    : `content ${sha256(input.content).toString('hex')}`;

/** Objects as listings or single requests show them. Those that do not exist are left out. */
export async function seeObjects(
  objects: ObjectStore,
  urls: readonly string[],
): Promise<Map<string, SeenObject>> {
  const seen = new Map<string, SeenObject>();
  const folders = Map.groupBy(new Set(urls), (url) => url.slice(0, url.lastIndexOf('/') + 1));
  const work: (() => Promise<void>)[] = [];
  for (const [folder, members] of folders) {
    if (members.length >= LISTING_PAYS_FROM)
      work.push(() => listWanted(objects, folder, new Set(members), seen));
    else for (const url of members) work.push(() => describeInto(objects, url, seen));
  }
  await inParallel(work);
  return seen;
}

async function describeInto(
  objects: ObjectStore,
  url: string,
  seen: Map<string, SeenObject>,
): Promise<void> {
  const one = await ignorePermanent(objects.describe(url));
  if (one) seen.set(url, one);
}

/**
 * Undefined on a permanent error: the bad URL of one task must not delay the other tasks of the
 * chunk.
 */
export function ignorePermanent<T>(asked: Promise<T>): Promise<T | undefined> {
  return asked.catch((error: unknown) => {
    if (isPermanent(error)) return undefined;
    throw error;
  });
}

/**
 * Lists the folder from just before the first wanted key. Objects hidden among many others are
 * requested one by one.
 */
async function listWanted(
  objects: ObjectStore,
  folder: string,
  wanted: Set<string>,
  seen: Map<string, SeenObject>,
): Promise<void> {
  const keys = [...wanted]
    .map((url) => parseS3Url(url)?.key ?? '')
    .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const [first = '', last = ''] = [keys[0], keys.at(-1)];
  const bucket = parseS3Url(folder)?.bucket ?? '';
  const lastUrl = formatS3Url({ bucket, key: last });

  const missing = new Set(wanted);
  const listed = async (): Promise<'whole' | 'in-part'> => {
    for await (const page of objects.list(folder, {
      startAfterKey: justBefore(first),
      firstPage: Math.min(1000, wanted.size + STRANGERS),
    })) {
      const missed = missing.size;
      for (const one of page) if (missing.delete(one.url)) seen.set(one.url, one);
      const end = page.at(-1)?.url;
      if (end === undefined || Buffer.compare(Buffer.from(end), Buffer.from(lastUrl)) >= 0)
        return 'whole';
      if ((missed - missing.size) * 1000 < WANTED_PER_PAGE * page.length) return 'in-part';
    }
    return 'whole';
  };
  // Without the permission to list a bucket, its objects can still be readable.
  if ((await ignorePermanent(listed())) === 'whole') return;
  await inParallel([...missing].map((url) => () => describeInto(objects, url, seen)));
}

/** A key just before `key`: the last character is one lower, followed by the highest character. */
function justBefore(key: string): string {
  const points = Array.from(key);
  const last = points.pop()?.codePointAt(0) ?? 0;
  const lower = last > 1 && last < 0xd800 ? `${String.fromCodePoint(last - 1)}\u{10FFFD}` : '';
  return points.join('') + lower;
}

const isMultipart = (etag: string): boolean => etag.includes('-');

/** Headers give seconds. Some S3-compatible servers give milliseconds in listings. */
const wholeSeconds = (ms: number): number => Math.floor(ms / 1000) * 1000;

async function identityOf(
  objects: ObjectStore,
  url: string,
  seen: SeenObject | undefined,
): Promise<InputSeen> {
  if (!seen) return NOT_THERE;
  if (!isMultipart(seen.etag))
    return {
      identity: `etag ${seen.etag} ${seen.sizeBytes}`,
      modifiedMs: wholeSeconds(seen.lastModifiedMs),
    };
  const described = await ignorePermanent(objects.describe(url));
  return described
    ? { identity: multipartIdentity(described), modifiedMs: wholeSeconds(described.lastModifiedMs) }
    : NOT_THERE;
}

function multipartIdentity(object: DescribedObject): string {
  const algorithm = CHECKSUM_ORDER.find((name) => object.checksums[name] !== undefined);
  if (algorithm !== undefined)
    return `${algorithm} ${object.checksums[algorithm]} ${object.sizeBytes}`;
  if (object.versionId !== undefined) return `version ${object.url} ${object.versionId}`;
  return `etag ${object.etag} ${object.sizeBytes}`;
}

function directoryIdentity(
  objects: ObjectStore,
  key: string,
  url: string,
  found: Map<string, InputSeen>,
): () => Promise<void> {
  return async () => {
    const prefix = url.endsWith('/') ? url : `${url}/`;
    const members: [name: string, identity: string][] = [];
    let modifiedMs = 0;
    /** False if a member cannot be identified. */
    const read = async (): Promise<boolean> => {
      for await (const page of objects.list(prefix)) {
        const identities = await inParallel(
          page.map((one) => () => identityOf(objects, one.url, one)),
        );
        for (const [position, one] of page.entries()) {
          const seen = identities[position];
          if (seen?.identity === undefined) return false;
          members.push([one.url.slice(prefix.length), seen.identity]);
          modifiedMs = Math.max(modifiedMs, seen.modifiedMs);
        }
      }
      return true;
    };
    const readable = await ignorePermanent(read());
    found.set(
      key,
      !readable || members.length === 0
        ? NOT_THERE
        : { identity: `directory ${sha256(JSON.stringify(members)).toString('hex')}`, modifiedMs },
    );
  };
}

/** Runs all, 16 at a time. The results are in the order of the work. */
export async function inParallel<T>(work: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let position = next++; position < work.length; position = next++) {
      const one = work[position];
      if (one) results[position] = await one();
    }
  };
  await Promise.all(Array.from({ length: Math.min(ASKED_AT_ONCE, work.length) }, worker));
  return results;
}
