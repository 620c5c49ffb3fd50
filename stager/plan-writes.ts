/** Which object, or file of a shared folder, each found file becomes: decided for all outputs before the first one is written. */
import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatS3Url, joinUrl, LONGEST_KEY_BYTES, parseS3Url } from '../core/files/s3-url.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import { containerPath } from '../core/container/container-path.ts';
import { pathOfUrl } from '../core/files/file-url.ts';
import { DeclaredError, FinalError } from './s3.ts';
import type { SharedFolders } from './shared-folders.ts';
import type { FoundFile } from './walk.ts';

export interface PlannedFile extends FoundFile {
  place: S3Place | { sharedPath: string };
  /** What no two files can have in common. Of a folder of S3, it ends in a slash. */
  url: string;
  /** It is an empty folder; in S3, an object without bytes. */
  isFolder: boolean;
}

/** Of one output. */
export type Written = { files: PlannedFile[] } | { failure: Error; subject: string };

interface Target {
  url: string;
}

type SharedPlaces = Pick<SharedFolders, 'placeOf'>;

/** The place of one file. @throws Error when nothing can be there */
async function placeOf(
  target: Target,
  file: FoundFile,
  shared: SharedPlaces,
): Promise<PlannedFile | undefined> {
  const url = joinUrl(target.url, file.path);
  const path = pathOfUrl(url);
  return path === undefined ? keyOf(url, file) : sharedPlaceOf(path, file, shared);
}

async function sharedPlaceOf(
  path: string,
  file: FoundFile,
  shared: SharedPlaces,
): Promise<PlannedFile> {
  const isFolder = file.path.endsWith('/');
  if (!isFolder && path.endsWith('/'))
    throw new DeclaredError(`${path} ends in '/', so it cannot be the path of a file`);
  const plain = containerPath(path);
  if (plain === undefined) throw new DeclaredError(`${path} is not an absolute path without '..'`);
  const sharedPath = await shared.placeOf(plain);
  return { ...file, place: { sharedPath }, url: sharedPath, isFolder };
}

function keyOf(url: string, file: FoundFile): PlannedFile | undefined {
  const place = parseS3Url(url);
  if (!place)
    throw new FinalError(
      'an output URL must be s3://bucket/key, or a path in a folder that hosts share with tasks',
    );
  const isFolder = file.path.endsWith('/');
  // A whole bucket needs no object that says that it exists.
  if (isFolder && place.key === '') return undefined;
  if (place.key === '' || (!isFolder && place.key.endsWith('/')))
    throw new DeclaredError(
      `${file.local} would have the key ${JSON.stringify(place.key)}, which is not the key of a file`,
    );
  const bytes = Buffer.byteLength(place.key);
  if (bytes > LONGEST_KEY_BYTES)
    throw new DeclaredError(
      `its key would have ${bytes} bytes, and S3 allows at most ${LONGEST_KEY_BYTES}. Shorten the path ${file.local}`,
    );
  return { ...file, place, url: formatS3Url(place), isFolder };
}

/** Whether both are one file, or empty folders: then either gives the same object. */
async function isSame(one: PlannedFile, other: PlannedFile): Promise<boolean> {
  if (one.isFolder !== other.isFolder) return false;
  if (one.local === other.local || one.isFolder) return true;
  const [a, b] = await Promise.all([one, other].map(({ local }) => realpath(local)));
  return a === b;
}

interface Claimed {
  file: PlannedFile;
  position: number;
}

/** A file of a file system cannot also be the folder of others, as a key of S3 can. */
function fileAbove(
  { place, url }: PlannedFile,
  claimed: ReadonlyMap<string, Claimed>,
): Claimed | undefined {
  if (!('sharedPath' in place)) return undefined;
  for (let above = dirname(url); above !== '/'; above = dirname(above)) {
    const there = claimed.get(above);
    if (there && !there.file.isFolder) return there;
  }
  return undefined;
}

/**
 * Two files of one URL fail both of their outputs: the last writer would win, and nobody would know.
 * @param found by output
 */
export async function planWrites(
  targets: readonly Target[],
  found: readonly (readonly FoundFile[])[],
  shared: SharedPlaces,
): Promise<Written[]> {
  const claimed = new Map<string, Claimed>();
  const failures = new Map<number, { failure: Error; subject: string }>();
  const fail = (position: number, failure: Error, subject: string): void => {
    if (!failures.has(position)) failures.set(position, { failure, subject });
  };
  const collide = (url: string, one: Claimed, other: Claimed): void => {
    const conflict = bothAt(url, one, other);
    fail(one.position, conflict, url);
    fail(other.position, conflict, url);
  };
  const planned: PlannedFile[][] = [];
  for (const [position, target] of targets.entries()) {
    const files: PlannedFile[] = [];
    planned.push(files);
    for (const one of found[position] ?? []) {
      let file: PlannedFile | undefined;
      try {
        file = await placeOf(target, one, shared);
      } catch (error) {
        fail(position, error as Error, joinUrl(target.url, one.path));
      }
      if (!file) continue;
      files.push(file);
      const other = claimed.get(file.url);
      if (!other) claimed.set(file.url, { file, position });
      else if (!(await isSame(other.file, file))) collide(file.url, other, { file, position });
    }
  }
  for (const one of claimed.values()) {
    const above = fileAbove(one.file, claimed);
    if (above) collide(above.file.url, above, one);
  }
  return planned.map((files, position) => failures.get(position) ?? { files });
}

const bothAt = (url: string, one: Claimed, other: Claimed): DeclaredError =>
  new DeclaredError(
    `two files would be written to ${url}: ${one.file.local} of output ${one.position + 1} and ` +
      `${other.file.local} of output ${other.position + 1}. None of these outputs was written`,
  );
