/** What a directory in S3 holds: the names, sizes, and identities of all that is below its prefix. */
import { directorySum, type ReadObject } from '../core/cache/read-digest.ts';
import type { FileIdentity } from '../core/cache/identity.ts';
import { sha256 } from '../core/ids.ts';
import { bucketOf, identify, noteEtag } from './file-identities.ts';
import {
  nothing,
  type IdentityMemo,
  type IdentitySources,
  type InputSeen,
  type KnownObject,
  type WhyNoIdentity,
} from './identity-sources.ts';
import { inParallel } from './in-parallel.ts';
import { isPermanent, statusOf } from './s3-errors.ts';
import type { SeenObject } from './s3.ts';

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

export async function resolveFolder(sources: IdentitySources, url: string): Promise<InputSeen> {
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
    // The stager reads no such directory, so nothing is known of what a task would see.
    if (page.some(({ url, sizeBytes }) => url.endsWith('/') && sizeBytes > 0)) return 'no-identity';
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
  // Directories are known by the sums of their members, and not shared where that takes a SHA-256.
  const told = await identify({ ...sources, prefersSha256: false }, object, undefined);
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
  const told = sumOf(members);
  if (told !== undefined || !etags.trusts(bucketOf(folder.url))) return told;
  const [recalled] = await memo.recall([folder]);
  if (recalled !== undefined) return recalled;
  // A directory that was copied, or written file by file: its members may be known one by one.
  const sum = sumOf(await recallMembers(memo, folder.url, members));
  if (sum !== undefined) await memo.learn([{ ...folder, sum }]);
  return sum;
}

/** Undefined unless the sums of all members are known. */
function sumOf(members: readonly Member[]): string | undefined {
  const summed = members.flatMap(({ name, sizeBytes, sum }) =>
    sum === undefined ? [] : [{ name, sizeBytes, crc64nvme: sum }],
  );
  return summed.length === members.length ? directorySum(summed) : undefined;
}

/** Of a statement's size each; ends at the first thousand of which one is not known. */
const RECALLED_AT_ONCE = 1_000;

async function recallMembers(
  memo: IdentityMemo,
  prefix: string,
  members: readonly Member[],
): Promise<Member[]> {
  const known: Member[] = [];
  for (let start = 0; start < members.length; start += RECALLED_AT_ONCE) {
    const some = members.slice(start, start + RECALLED_AT_ONCE);
    const sums = await memo.recall(
      some.map(({ name, etag, sizeBytes }) => ({ url: prefix + name, etag, sizeBytes })),
    );
    for (const [position, member] of some.entries()) {
      const sum = member.sum ?? sums[position] ?? markerSum(member);
      known.push({ ...member, ...(sum !== undefined && { sum }) });
    }
    if (known.slice(start).some(({ sum }) => sum === undefined)) return known;
  }
  return known;
}

/** The marker of a folder inside of a directory holds nothing. */
const markerSum = ({ name, sizeBytes }: Member): string | undefined =>
  name.endsWith('/') && sizeBytes === 0 ? '0'.repeat(16) : undefined;
