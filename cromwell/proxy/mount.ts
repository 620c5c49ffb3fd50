/** The roots on Cromwell's own file system: which files may be read and written there. */
import { lstat, mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import { dirname, join } from 'node:path';
import { joinUrl } from '../../core/files/s3-url.ts';
import type { MountedInput } from '../../core/files/cromwell-proxy.ts';
import { isUnfinished, unfinishedBeside } from '../../stager/download.ts';

export interface MountedFile {
  /** Without links. */
  realPath: string;
  url: string;
}

interface Found {
  files: MountedFile[];
  /** Given for a folder: its place in S3, ending in a slash. */
  folderUrl?: string;
}

/** What was expected of an input instead of what is there. */
interface Wrong {
  wrong: string;
}

export interface Mount {
  /** What is at an input's path, or what is wrong with it. */
  find(input: MountedInput): Promise<Found | Wrong>;
  /** Throws an error when a link on the path leads out of the roots. */
  makeFolderFor(path: string): Promise<void>;
}

type IsInside = (realPath: string) => boolean;

/** Rejects when a root is not a folder. */
export async function openMount(roots: readonly string[]): Promise<Mount> {
  const realRoots = await Promise.all(roots.map(realRootOf));
  const isInside: IsInside = (real) =>
    realRoots.some((root) => real === root || real.startsWith(root === '/' ? root : `${root}/`));
  return {
    find: (input) => findInput(input, isInside),
    makeFolderFor: (path) => makeFolderFor(path, isInside),
  };
}

async function realRootOf(root: string): Promise<string> {
  const real = await realpath(root).catch((error: unknown) => {
    throw new Error(`The root ${root} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  });
  if (!(await stat(real)).isDirectory()) throw new Error(`The root ${root} is not a folder.`);
  return real;
}

async function findInput(input: MountedInput, isInside: IsInside): Promise<Found | Wrong> {
  const { path, url, isFolder } = input;
  const real = await realPathOf(path);
  if (real === undefined)
    return {
      wrong: `an existing ${isFolder ? 'folder' : 'file'}; nothing exists at ${path} on Cromwell’s host`,
    };
  if (!isInside(real))
    return { wrong: `a path inside the roots; the link ${path} leads out of them` };
  const facts = await stat(real);
  if (facts.isDirectory() !== isFolder)
    return {
      wrong: isFolder
        ? `a folder, as its type says; ${path} is not a folder`
        : `a file, as its type says; ${path} is a folder`,
    };
  if (isFolder) return findFolder({ folder: real, url, isInside });
  return facts.isFile()
    ? { files: [{ realPath: real, url }] }
    : { wrong: `a regular file; ${path} is not one` };
}

interface Folder {
  folder: string;
  url: string;
  isInside: IsInside;
}

async function findFolder(folder: Folder): Promise<Found | Wrong> {
  const files: MountedFile[] = [];
  const wrong = await walk(folder, [folder.folder], files);
  return wrong === undefined ? { files, folderUrl: `${folder.url}/` } : { wrong };
}

/**
 * Links that lead upwards would never end, so they are left out, as the stager does.
 * @returns what is wrong
 */
async function walk(
  { folder, url, isInside }: Folder,
  above: readonly string[],
  files: MountedFile[],
): Promise<string | undefined> {
  for (const name of (await readdir(folder)).toSorted()) {
    if (isUnfinished(name)) continue;
    const path = join(folder, name);
    const real = await realPathOf(path);
    if (real === undefined || above.includes(real)) continue;
    if (!isInside(real))
      return `a folder whose links stay inside the roots; the link ${path} leads out of them`;
    const [facts, below] = [await stat(real), joinUrl(url, name)];
    const wrong = facts.isDirectory()
      ? await walk({ folder: real, url: below, isInside }, [...above, real], files)
      : undefined;
    if (wrong !== undefined) return wrong;
    if (facts.isFile()) files.push({ realPath: real, url: below });
  }
  return undefined;
}

/** Looks before it makes anything: mkdir would follow a link out of the roots. */
async function makeFolderFor(path: string, isInside: IsInside): Promise<void> {
  const folder = dirname(path);
  const real = await realPathOfNearest(folder);
  if (!isInside(real))
    throw new Error(
      `${path} was not written, because a link on its path leads to ${real}, outside the roots`,
    );
  await mkdir(folder, { recursive: true });
}

const isNotThere = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

const unlessNotThere = <T>(looked: Promise<T>): Promise<T | undefined> =>
  looked.catch((error: unknown) => {
    if (isNotThere(error)) return undefined;
    throw error;
  });

const realPathOf = (path: string): Promise<string | undefined> => unlessNotThere(realpath(path));

/**
 * Of the path, or of the nearest folder above it that exists. A dangling link counts as existing.
 */
async function realPathOfNearest(path: string): Promise<string> {
  if ((await unlessNotThere(lstat(path))) === undefined) return realPathOfNearest(dirname(path));
  return realpath(path);
}

/** Facts about the file, or about the target of its link; undefined when it does not exist. */
export const statOf = (path: string): Promise<BigIntStats | undefined> =>
  unlessNotThere(stat(path, { bigint: true }));

/** Writes the whole file or none of it. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const unfinished = unfinishedBeside(path);
  try {
    const file = await open(unfinished, 'w');
    await file.writeFile(text).finally(() => file.close());
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}
