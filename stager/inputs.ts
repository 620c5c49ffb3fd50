/** The inputs of a task: its script declares them one by one, then all are fetched at once. */
import { HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { containerPath, laidAfter } from '../core/container/container-path.ts';
import { makeFolder } from './make-folder.ts';
import { pathOfUrl } from '../core/files/file-url.ts';
import { hideUrlSecrets } from '../core/files/url-secrets.ts';
import { formatS3Url, parseS3Url } from '../core/files/s3-url.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import { readDigest, sumsDigest } from '../core/cache/read-digest.ts';
import type { InputsRead, StagerError } from '../core/result/result.ts';
import { download, FILES_AT_ONCE, sayFolder, UNFINISHED } from './download.ts';
import type { Source } from './download.ts';
import { fetchFolder } from './fetch-folder.ts';
import { hexOf, isNotTold, NOT_FROM_S3 } from './fetched.ts';
import type { Fetched, FetchedFile, Means } from './fetched.ts';
import { allSettled, limitTo } from './limit.ts';
import { anyRoom } from './room.ts';
import type { Room } from './room.ts';
import { blame, DeclaredError, FinalError, reasonOf, transience } from './s3.ts';
import { openSharedFolders } from './shared-folders.ts';
import type { SharedFolders } from './shared-folders.ts';

export type DeclaredInput =
  | { kind: 'content'; content: string; path: string; name: string }
  | { kind: 'file' | 'folder'; url: string; path: string; name: string };

/** There is no object at the key of a FILE: there may be objects below it. */
async function whyNoFile(s3: S3Client, { bucket, key }: S3Place, error: unknown): Promise<unknown> {
  if (!(error instanceof Error && error.name === 'NoSuchKey')) return error;
  const below = new ListObjectsV2Command({ Bucket: bucket, Prefix: `${key}/`, MaxKeys: 1 });
  const isFolder = await s3.send(below).then(({ KeyCount: count = 0 }) => count > 0, isNotTold);
  return isFolder
    ? new DeclaredError('it is a directory (a prefix of objects) but is declared as FILE')
    : error;
}

/**
 * A file that the task already sees at its path, such as one in a shared folder: there is nothing
 * to fetch.
 */
async function findInPlace({ shared }: Means, { kind, path }: DeclaredInput): Promise<Fetched> {
  await shared.requireInside(path);
  const isFolder = (await stat(path)).isDirectory();
  if (isFolder !== (kind === 'folder'))
    throw new DeclaredError(
      isFolder
        ? 'it is a directory but is declared as FILE'
        : 'it is declared as DIRECTORY but is not one',
    );
  return NOT_FROM_S3;
}

async function fetchOne(means: Means, input: DeclaredInput): Promise<Fetched> {
  if (input.kind === 'content') {
    await makeFolder(dirname(input.path));
    await writeFile(input.path, input.content).catch(sayFolder(input.path));
    return NOT_FROM_S3;
  }
  const sharedPath = containerPath(pathOfUrl(input.url) ?? '');
  if (sharedPath === input.path) return findInPlace(means, input);
  if (sharedPath !== undefined) return fetchShared(means, sharedPath, input);
  const place = parseS3Url(input.url);
  const isWeb = /^https?:\/\//i.test(input.url);
  if (!place && !isWeb)
    throw new FinalError(
      'its URL must be s3://bucket/key, http(s)://…, or a path in a folder that hosts share with tasks',
    );
  if (input.kind === 'folder') {
    if (!place) throw new FinalError('a DIRECTORY must have an s3:// URL');
    return fetchFolder(means, place, input.path);
  }
  return fetchFile(means, place ?? { web: input.url }, input);
}

/** Nothing tells what it holds before it is read, so it has no part in what the cache compares. */
async function fetchShared(
  { shared, target }: Means,
  from: string,
  { kind, path }: { kind: 'file' | 'folder'; path: string },
): Promise<Fetched> {
  if (kind === 'folder') {
    await shared.copyFolderIn(from, path, target);
    return NOT_FROM_S3;
  }
  const copied = await shared.copyFileIn(from, path, target);
  return { ...NOT_FROM_S3, file: { url: await shared.placeOf(from), path, ...copied } };
}

async function fetchFile(
  { s3, target }: Means,
  source: Source,
  { url, path }: { url: string; path: string },
): Promise<Fetched> {
  const { crc64nvme, etag, sizeBytes } = await download(s3, source, path, target).catch(
    async (error: unknown) => {
      throw 'web' in source ? error : await whyNoFile(s3, source, error);
    },
  );
  const { size } = await stat(path);
  const file = {
    url: 'web' in source ? url : formatS3Url(source),
    path,
    sizeBytes: size,
    ...(etag !== undefined && { etag }),
    ...(crc64nvme !== undefined && { crc64nvme }),
  };
  if (etag === undefined) return { ...NOT_FROM_S3, file };
  const sum = crc64nvme === undefined ? null : hexOf(crc64nvme);
  return { file, read: [{ name: '', etag, sizeBytes }], sum };
}

const subjectOf = (input: DeclaredInput): string =>
  input.kind === 'content' ? `the content for ${input.path}` : hideUrlSecrets(input.url);

/** What two inputs must have in common to be one: a slash at the end of a folder's URL makes no difference. */
const sourceOf = (input: DeclaredInput): string =>
  input.kind === 'content'
    ? JSON.stringify([input.path, input.kind, input.content])
    : JSON.stringify([
        containerPath(input.path) ?? input.path,
        input.kind,
        input.kind === 'folder' ? input.url.replace(/\/$/, '') : input.url,
      ]);

/**
 * By position, the first input that it repeats, or itself. What another one was laid over is laid again: the last one
 * at a path wins.
 */
function firstOfSame(inputs: readonly DeclaredInput[]): number[] {
  const lastAt = new Map<string, { source: string; position: number }>();
  return inputs.map((input, position) => {
    const path = containerPath(input.path) ?? input.path;
    const source = sourceOf(input);
    const last = lastAt.get(path);
    if (last?.source === source) return last.position;
    lastAt.set(path, { source, position });
    return position;
  });
}

/**
 * All at once, but what is inside of a folder input is laid over it, once that is there. What is declared twice is
 * fetched once.
 */
async function fetchInOrder(
  means: Means,
  inputs: readonly DeclaredInput[],
): Promise<PromiseSettledResult<Fetched>[]> {
  const after = laidAfter(
    inputs.map(({ kind, path }) => ({
      path: containerPath(path) ?? path,
      isFolder: kind === 'folder',
    })),
  );
  const first = firstOfSame(inputs);
  const begun: (Promise<Fetched> | undefined)[] = [];
  const fetchAt = (position: number): Promise<Fetched> => {
    const known = begun[position];
    const input = inputs[position];
    if (known) return known;
    if (!input) throw new RangeError(`There is no input ${position}.`);
    const same = first[position] ?? position;
    const fetched =
      same === position
        ? Promise.allSettled((after[position] ?? []).map(fetchAt)).then(() =>
            fetchOne(means, input),
          )
        : fetchAt(same);
    begun[position] = fetched;
    return fetched;
  };
  return Promise.allSettled(inputs.map((_, position) => fetchAt(position)));
}

/** Sizes asked for at once. */
const sizes = limitTo(16);

/**
 * Asks for the sizes of the files that wait for their turn, so that inputs that cannot fit on the
 * disk together fail before hours of downloads. The first large file pays for it: tasks with small
 * files only, and those whose files are all fetched at once, make no request more.
 */
function sizesOnce(
  s3: S3Client,
  inputs: readonly DeclaredInput[],
  room: Room,
): () => Promise<void> {
  const files = inputs.flatMap((input) => {
    const place = input.kind === 'file' ? parseS3Url(input.url) : undefined;
    return place ? [{ place, path: input.path }] : [];
  });
  let asked: Promise<void> | undefined;
  const ask = async ({ place, path }: { place: S3Place; path: string }): Promise<void> => {
    const head = new HeadObjectCommand({ Bucket: place.bucket, Key: place.key });
    // What cannot be asked is found out by the download itself.
    const answer = await s3.send(head).catch(() => undefined);
    if (answer?.ContentLength !== undefined) await room.announce(path, answer.ContentLength);
  };
  return () =>
    (asked ??= allSettled(files.slice(FILES_AT_ONCE).map((file) => sizes(() => ask(file)))).then(
      () => undefined,
    ));
}

export interface FetchedInputs {
  fetched: FetchedFile[];
  /** What the result record says of them. */
  inputs: InputsRead;
}

/**
 * Puts all inputs on disk. On failure, returns the first one in their order once all have ended.
 */
export async function fetchInputs(
  s3: S3Client,
  inputs: readonly DeclaredInput[],
  room: Room = anyRoom,
  shared: SharedFolders = openSharedFolders({}),
): Promise<FetchedInputs | { error: StagerError }> {
  const target = { room, onLarge: sizesOnce(s3, inputs, room) };
  const ended = await fetchInOrder({ s3, shared, target }, inputs);
  for (const [position, one] of ended.entries()) {
    const input = inputs[position];
    if (one.status === 'fulfilled' || !input) continue;
    const subject = subjectOf(input);
    const name = input.name === '' ? '' : ` (${input.name})`;
    return {
      error: {
        kind: 'input',
        subject,
        message: `Input ${position + 1} of ${inputs.length}${name} ${subject} could not be read: ${reasonOf(one.reason).replaceAll(UNFINISHED, '…')}`,
        ...transience(one.reason),
        ...blame(one.reason),
      },
    };
  }
  const fetched = ended.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  return { fetched: fetched.flatMap(({ file }) => file ?? []), inputs: inputsRead(fetched) };
}

function inputsRead(fetched: readonly Fetched[]): InputsRead {
  const read = fetched.map((one) => one.read);
  const sums = fetched.map(({ sum }) => sum);
  const digest = sumsDigest(read, sums);
  return {
    digest: readDigest(read),
    ...(digest !== undefined && { sumsDigest: digest }),
    ...(sums.some((sum) => sum !== null) && { sums }),
  };
}
