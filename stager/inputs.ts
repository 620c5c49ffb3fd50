/** The inputs of a task: declared by its script one by one, then fetched all at once. */
import { paginateListObjectsV2 } from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { containerPath } from '../core/container/container-path.ts';
import { pathOfUrl } from '../core/files/file-url.ts';
import { formatS3Url, parseS3Url } from '../core/files/s3-url.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import type { StagerError } from '../core/result/result.ts';
import { download } from './download.ts';
import { allSettled } from './limit.ts';
import { FinalError, reasonOf, transience, withoutQuery } from './s3.ts';

export type DeclaredInput =
  | { kind: 'content'; content: string; path: string; name: string }
  | { kind: 'file' | 'folder'; url: string; path: string; name: string };

/**
 * A fetched file as it lay on disk then; an output of the same url and the same state need not be
 * written again.
 */
export interface FetchedFile {
  url: string;
  path: string;
  sizeBytes: number;
  modifiedMs: number;
  /** Where S3 keeps it. */
  crc64nvme?: string;
}

/** Relative path of a key within its folder. @throws when it would lead out of the folder */
function pathWithin(key: string, prefix: string): string {
  const path = key.slice(prefix.length);
  const steps = path.replace(/\/$/, '').split('/');
  if (steps.some((step) => step === '' || step === '.' || step === '..'))
    throw new FinalError(`its key ${JSON.stringify(key)} is no path that a folder can hold`);
  return path;
}

/** @returns when its objects were last modified */
async function fetchFolder(s3: S3Client, place: S3Place, target: string): Promise<ObjectTimes> {
  const times: ObjectTimes = [];
  const prefix = place.key === '' || place.key.endsWith('/') ? place.key : `${place.key}/`;
  await mkdir(target, { recursive: true });
  let seen = 0;
  for await (const page of paginateListObjectsV2(
    { client: s3 },
    { Bucket: place.bucket, Prefix: prefix },
  )) {
    const keys = (page.Contents ?? []).flatMap((object) =>
      object.Key === undefined ? [] : [object.Key],
    );
    seen += keys.length;
    await allSettled(
      keys
        .filter((key) => key !== prefix)
        .map(async (key) => {
          const path = join(target, pathWithin(key, prefix));
          // Consoles mark an empty folder by a key that ends in '/'.
          if (key.endsWith('/')) return void (await mkdir(path, { recursive: true }));
          times.push((await download(s3, { bucket: place.bucket, key }, path)).objectModifiedMs);
        }),
    );
  }
  if (seen === 0) throw new FinalError('NoSuchKey: no object lies under it');
  return times;
}

type ObjectTimes = (number | undefined)[];

interface Fetched {
  file?: FetchedFile;
  times: ObjectTimes;
}

/**
 * A file of the task's own file system at its own place, such as one in a shared folder: there is
 * nothing to fetch.
 */
async function findInPlace({ kind, path }: DeclaredInput): Promise<Fetched> {
  const isFolder = (await stat(path)).isDirectory();
  if (isFolder !== (kind === 'folder'))
    throw new FinalError(
      isFolder
        ? 'it is a directory, and is not declared as one'
        : 'it is declared as DIRECTORY, but is none',
    );
  return { times: [] };
}

async function fetchOne(s3: S3Client, input: DeclaredInput): Promise<Fetched> {
  if (input.kind === 'content') {
    await mkdir(dirname(input.path), { recursive: true });
    await writeFile(input.path, input.content);
    return { times: [] };
  }
  if (containerPath(pathOfUrl(input.url) ?? '') === input.path) return findInPlace(input);
  const place = parseS3Url(input.url);
  const isWeb = /^https?:\/\//i.test(input.url);
  if (!place && !isWeb)
    throw new FinalError(
      'only s3://bucket/key and http(s):// urls can be read, and paths that the task sees, at the same path',
    );
  if (input.kind === 'folder') {
    if (!place) throw new FinalError('a DIRECTORY can only be read from s3://');
    return { times: await fetchFolder(s3, place, input.path) };
  }
  const { crc64nvme, objectModifiedMs } = await download(
    s3,
    place ?? { web: input.url },
    input.path,
  );
  const { size, mtimeMs } = await stat(input.path);
  const file = {
    url: place ? formatS3Url(place) : input.url,
    path: input.path,
    sizeBytes: size,
    modifiedMs: mtimeMs,
    ...(crc64nvme !== undefined && { crc64nvme }),
  };
  return { file, times: [objectModifiedMs] };
}

const subjectOf = (input: DeclaredInput): string =>
  input.kind === 'content' ? `the content for ${input.path}` : withoutQuery(input.url);

export interface FetchedInputs {
  fetched: FetchedFile[];
  /** When the newest object among them was last modified. */
  newestMs?: number;
}

/** All inputs on disk, or the first failure in their order, once none is still under way. */
export async function fetchInputs(
  s3: S3Client,
  inputs: readonly DeclaredInput[],
): Promise<FetchedInputs | { error: StagerError }> {
  const ended = await Promise.allSettled(inputs.map((input) => fetchOne(s3, input)));
  for (const [position, one] of ended.entries()) {
    const input = inputs[position];
    if (one.status === 'fulfilled' || !input) continue;
    const subject = subjectOf(input);
    const name = input.name === '' ? '' : ` (${input.name})`;
    return {
      error: {
        kind: 'input',
        subject,
        message: `Input ${position + 1} of ${inputs.length}${name} ${subject} could not be read: ${reasonOf(one.reason)}`,
        ...transience(one.reason),
      },
    };
  }
  const fetched = ended.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const times = fetched.flatMap(({ times: known }) => known.filter((time) => time !== undefined));
  return {
    fetched: fetched.flatMap(({ file }) => file ?? []),
    ...(times.length > 0 && { newestMs: times.reduce((a, b) => Math.max(a, b)) }),
  };
}
