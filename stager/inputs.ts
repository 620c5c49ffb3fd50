/** The inputs of a task: its script declares them one by one, then all are fetched at once. */
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
 * The state of a fetched file on disk. An output with the same URL and state is not written again.
 */
export interface FetchedFile {
  url: string;
  path: string;
  sizeBytes: number;
  modifiedMs: number;
  /** Given when S3 has it. */
  crc64nvme?: string;
}

/** A key's path within its folder. @throws when it would lead out of the folder */
function pathWithin(key: string, prefix: string): string {
  const path = key.slice(prefix.length);
  const steps = path.replace(/\/$/, '').split('/');
  if (steps.some((step) => step === '' || step === '.' || step === '..'))
    throw new FinalError(`the key ${JSON.stringify(key)} cannot be the path of a file in a folder`);
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
          // S3 consoles mark an empty folder by a key that ends in '/'.
          if (key.endsWith('/')) return void (await mkdir(path, { recursive: true }));
          times.push((await download(s3, { bucket: place.bucket, key }, path)).objectModifiedMs);
        }),
    );
  }
  if (seen === 0) throw new FinalError('NoSuchKey: no object has this prefix');
  return times;
}

type ObjectTimes = (number | undefined)[];

interface Fetched {
  file?: FetchedFile;
  times: ObjectTimes;
}

/**
 * A file that the task already sees at its path, such as one in a shared folder: there is nothing
 * to fetch.
 */
async function findInPlace({ kind, path }: DeclaredInput): Promise<Fetched> {
  const isFolder = (await stat(path)).isDirectory();
  if (isFolder !== (kind === 'folder'))
    throw new FinalError(
      isFolder
        ? 'it is a directory but is declared as FILE'
        : 'it is declared as DIRECTORY but is not one',
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
      'its URL must be s3://bucket/key or http(s)://…, or the path where the task already sees it',
    );
  if (input.kind === 'folder') {
    if (!place) throw new FinalError('a DIRECTORY must have an s3:// URL');
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
  /** LastModified of the newest object among them. */
  newestMs?: number;
}

/**
 * Puts all inputs on disk. On failure, returns the first one in their order once all have ended.
 */
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
