/** Which object each found file becomes: decided for all outputs before the first one is written. */
import { realpath } from 'node:fs/promises';
import { formatS3Url, joinUrl, LONGEST_KEY_BYTES, parseS3Url } from '../core/files/s3-url.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import { DeclaredError, FinalError } from './s3.ts';
import type { FoundFile } from './walk.ts';

export interface PlannedFile extends FoundFile {
  place: S3Place;
  /** It is an empty folder: an object without bytes. */
  isFolder: boolean;
}

/** Of one output. */
export type Written = { files: PlannedFile[] } | { failure: Error; subject: string };

interface Target {
  url: string;
}

/** The place of one file. @throws Error when no object can be there */
function placeOf(target: Target, file: FoundFile): PlannedFile | undefined {
  const place = parseS3Url(joinUrl(target.url, file.path));
  if (!place) throw new FinalError('an output URL must be s3://bucket/key');
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
  return { ...file, place, isFolder };
}

/** Whether both are one file, or empty folders: then either gives the same object. */
async function isSame(one: PlannedFile, other: PlannedFile): Promise<boolean> {
  if (one.local === other.local || (one.isFolder && other.isFolder)) return true;
  const [a, b] = await Promise.all([one, other].map(({ local }) => realpath(local)));
  return a === b;
}

interface Claimed {
  file: PlannedFile;
  position: number;
}

/**
 * Two files of one URL fail both of their outputs: the last writer would win, and nobody would know.
 * @param found by output
 */
export async function planWrites(
  targets: readonly Target[],
  found: readonly (readonly FoundFile[])[],
): Promise<Written[]> {
  const claimed = new Map<string, Claimed>();
  const failures = new Map<number, { failure: Error; subject: string }>();
  const fail = (position: number, failure: Error, subject: string): void => {
    if (!failures.has(position)) failures.set(position, { failure, subject });
  };
  const planned: PlannedFile[][] = [];
  for (const [position, target] of targets.entries()) {
    const files: PlannedFile[] = [];
    planned.push(files);
    for (const one of found[position] ?? []) {
      let file: PlannedFile | undefined;
      try {
        file = placeOf(target, one);
      } catch (error) {
        fail(position, error as Error, joinUrl(target.url, one.path));
      }
      if (!file) continue;
      files.push(file);
      const url = formatS3Url(file.place);
      const other = claimed.get(url);
      if (!other) claimed.set(url, { file, position });
      else if (!(await isSame(other.file, file))) {
        const conflict = bothAt(url, other, { file, position });
        fail(other.position, conflict, url);
        fail(position, conflict, url);
      }
    }
  }
  return planned.map((files, position) => failures.get(position) ?? { files });
}

const bothAt = (url: string, one: Claimed, other: Claimed): DeclaredError =>
  new DeclaredError(
    `two files would be written to ${url}: ${one.file.local} of output ${one.position + 1} and ` +
      `${other.file.local} of output ${other.position + 1}. None of these outputs was written`,
  );
