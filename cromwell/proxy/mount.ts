/** The roots on Cromwell's own file system: what may be read and written there. */
import { lstat, mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import { dirname, join } from 'node:path';
import { joinUrl } from '../../core/files/s3-url.ts';
import type { MountedInput } from '../../core/files/cromwell-proxy.ts';
import { PART_SUFFIX } from '../../stager/download.ts';

export interface MountedFile {
  /** Without links. */
  realPath: string;
  url: string;
}

export interface Found {
  files: MountedFile[];
  /** Given for a folder: where it lies in S3, ending in a slash. */
  folderUrl?: string;
}

export interface Mount {
  /** What is at an input's path, or what is wrong with it. */
  find(input: MountedInput): Promise<Found | { wrong: string }>;
  /** Throws an error when a link on the way there leads out of the roots. */
  makeFolderFor(path: string): Promise<void>;
}

/** Rejects when a root is no folder. */
export async function openMount(roots: readonly string[]): Promise<Mount> {
  const realRoots = await Promise.all(
    roots.map(async (root) => {
      const real = await realpath(root).catch((error: unknown) => {
        throw new Error(`The root ${root} cannot be read: ${(error as Error).message}`, {
          cause: error,
        });
      });
      if (!(await stat(real)).isDirectory()) throw new Error(`The root ${root} is no folder.`);
      return real;
    }),
  );
  const isInside = (real: string): boolean =>
    realRoots.some((root) => real === root || real.startsWith(root === '/' ? root : `${root}/`));

  async function find({ path, url, isFolder }: MountedInput): Promise<Found | { wrong: string }> {
    const real = await realPathOf(path);
    if (real === undefined)
      return {
        wrong: `a ${isFolder ? 'folder' : 'file'} that is there; nothing lies at ${path} on Cromwell’s host`,
      };
    if (!isInside(real))
      return { wrong: `a path inside of the roots; a link leads from ${path} out of them` };
    const facts = await stat(real);
    if (facts.isDirectory() !== isFolder)
      return {
        wrong: isFolder
          ? `a folder, as its type says; ${path} is none`
          : `a file, as its type says; ${path} is a folder`,
      };
    if (!isFolder)
      return facts.isFile()
        ? { files: [{ realPath: real, url }] }
        : { wrong: `a regular file; ${path} is none` };
    const files: MountedFile[] = [];
    const wrong = await walk({ folder: real, url, above: [real] }, files);
    return wrong === undefined ? { files, folderUrl: `${url}/` } : { wrong };
  }

  /** @returns what is wrong; links that lead upwards would never end, and are left out as the stager does */
  async function walk(
    { folder, url, above }: { folder: string; url: string; above: readonly string[] },
    files: MountedFile[],
  ): Promise<string | undefined> {
    for (const name of (await readdir(folder)).toSorted()) {
      if (name.endsWith(PART_SUFFIX)) continue;
      const path = join(folder, name);
      const real = await realPathOf(path);
      if (real === undefined || above.includes(real)) continue;
      if (!isInside(real))
        return `only paths inside of the roots; a link leads from ${path} out of them`;
      const [facts, below] = [await stat(real), joinUrl(url, name)];
      const wrong = facts.isDirectory()
        ? await walk({ folder: real, url: below, above: [...above, real] }, files)
        : undefined;
      if (wrong !== undefined) return wrong;
      if (facts.isFile()) files.push({ realPath: real, url: below });
    }
    return undefined;
  }

  return {
    find,
    async makeFolderFor(path) {
      const folder = dirname(path);
      // Looked at before anything is made: mkdir would follow a link out of the roots.
      const real = await realPathOfNearest(folder);
      if (!isInside(real))
        throw new Error(
          `${path} is not written: a link on the way there leads to ${real}, out of the roots`,
        );
      await mkdir(folder, { recursive: true });
    },
  };
}

const isNotThere = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

const unlessNotThere = <T>(looked: Promise<T>): Promise<T | undefined> =>
  looked.catch((error: unknown) => {
    if (isNotThere(error)) return undefined;
    throw error;
  });

const realPathOf = (path: string): Promise<string | undefined> => unlessNotThere(realpath(path));

/** Of the path, or of the nearest folder above it that is there. A link to nowhere counts as there. */
async function realPathOfNearest(path: string): Promise<string> {
  if ((await unlessNotThere(lstat(path))) === undefined) return realPathOfNearest(dirname(path));
  return realpath(path);
}

/** Of the file itself or of what its link leads to; undefined when there is none. */
export const statOf = (path: string): Promise<BigIntStats | undefined> =>
  unlessNotThere(stat(path, { bigint: true }));

/** There whole or not at all. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const unfinished = `${path}${PART_SUFFIX}`;
  try {
    const file = await open(unfinished, 'w');
    await file.writeFile(text).finally(() => file.close());
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}
