/**
 * Folders of the hosts that every task sees under the same paths. Inputs are copied from them and
 * outputs to them, under the rules of S3: a file is in place whole or not at all, and what is
 * recorded of it is the checksum of the bytes that were copied.
 */
import { constants } from 'node:fs';
import { mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SHARED_VARIABLE } from '../core/container/container.ts';
import { body, pour, requireSize } from './body.ts';
import type { Downloaded, Target } from './body.ts';
import { inBase64, startDigest } from './digest.ts';
import { isUnfinished, unfinishedBeside } from './download.ts';
import { makeFolder as makeInputFolder } from './make-folder.ts';
import { allSettled, limitTo } from './limit.ts';
import type { Claim } from './room.ts';
import { DeclaredError, FinalError, persist } from './s3.ts';

/** As of a file that was uploaded to S3; there is no ETag. */
interface CopiedOut {
  sizeBytes: number;
  /** base64 */
  crc64nvme: string;
  etag: '';
}

export interface SharedFolders {
  /** @throws FinalError for a path that is, or leads, out of the shared folders */
  requireInside(path: string): Promise<void>;
  copyFileIn(from: string, to: string, target: Target): Promise<Downloaded>;
  /** Follows links within the shared folders. Fails where it cannot copy all of the folder. */
  copyFolderIn(from: string, to: string, target: Target): Promise<void>;
  /** Absolute paths, without links above their last step: two of one file are equal. Makes nothing. */
  placeOf(path: string): Promise<string>;
  /** The folders, where they are known. */
  roots: readonly string[];
  /** Makes a folder, with those above it. */
  makeFolder(path: string): Promise<CopiedOut>;
  /** Writes a file beside its place, and then renames it. */
  copyOut(from: string, to: string): Promise<CopiedOut>;
  /** Removes what is not complete. Nothing is written any more. */
  abandon(): Promise<void>;
}

interface State {
  /** Absent where the job definition does not tell them. */
  roots: readonly string[] | undefined;
  unfinished: Set<string>;
  closed: boolean;
  files: ReturnType<typeof limitTo>;
}

export function openSharedFolders(env: NodeJS.ProcessEnv): SharedFolders {
  const state: State = {
    roots: readRoots(env[SHARED_VARIABLE]),
    unfinished: new Set(),
    closed: false,
    files: limitTo(6),
  };
  return {
    async requireInside(path) {
      if (state.roots) await insidePath(state, path);
    },
    copyFileIn: (from, to, target) => copyFileIn(state, from, to, target),
    copyFolderIn: (from, to, target) => copyFolderIn(state, from, to, target),
    roots: state.roots ?? [],
    placeOf: (path) => placeOf(state, path),
    makeFolder: async (path) => {
      await persist(() => makeFolder(state, path));
      return { sizeBytes: 0, crc64nvme: inBase64(await startDigest('CRC64NVME').sum()), etag: '' };
    },
    copyOut: (from, to) => state.files(() => persist(() => copyOut(state, from, to))),
    async abandon() {
      state.closed = true;
      await Promise.allSettled([...state.unfinished].map((path) => rm(path, { force: true })));
    },
  };
}

/** @throws Error when it is not a list of texts in JSON */
function readRoots(text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined;
  const roots = listIn(text);
  if (roots) return roots;
  throw new Error(
    `${SHARED_VARIABLE} is ${JSON.stringify(text)}; expected a list of paths in JSON.`,
  );
}

function listIn(json: string): string[] | undefined {
  try {
    const list: unknown = JSON.parse(json);
    return Array.isArray(list) && list.every((one) => typeof one === 'string') ? list : undefined;
  } catch {
    return undefined;
  }
}

const isBelow = (path: string, root: string): boolean =>
  path === root || path.startsWith(root === '/' ? root : `${root}/`);

/**
 * The path without links. A link that leads out of the shared folders means a file of the host,
 * and here it would lead to a file of the container or of the stager.
 */
async function insidePath({ roots = [] }: State, path: string): Promise<string> {
  const real = await realpath(path);
  const realRoots = await Promise.allSettled(roots.map((root) => realpath(root)));
  const isInside = realRoots.some(
    (root) => root.status === 'fulfilled' && isBelow(real, root.value),
  );
  if (isInside) return real;
  const shared = roots.length === 0 ? 'there are none' : roots.join(', ');
  if (real === path)
    throw new FinalError(`${path} is not in a folder that hosts share with tasks (${shared})`);
  throw new DeclaredError(
    `${path} leads to ${real}, which is not in a folder that hosts share with tasks (${shared})`,
  );
}

const modeOf = (mode: number): number => 0o666 | (mode & 0o111);

async function openFile(path: string): Promise<FileHandle> {
  const facts = await stat(path);
  if (!facts.isFile())
    throw new DeclaredError(
      facts.isDirectory() ? `${path} is a directory, not a file` : `${path} is not a regular file`,
    );
  // A file that was replaced by a pipe since then must not block.
  return open(path, constants.O_RDONLY | constants.O_NONBLOCK);
}

const CHUNK_BYTES = 262_144;
const anyClaim: Claim = { wrote: () => undefined, release: () => undefined };

/** As many bytes as the file had when it was opened. */
async function pourFile(
  from: FileHandle,
  to: FileHandle | undefined,
  { size, claim = anyClaim }: { size: number; claim?: Claim },
): Promise<{ sizeBytes: number; crc64nvme: string }> {
  const digest = startDigest('CRC64NVME');
  const bytes =
    size === 0
      ? []
      : from.createReadStream({
          start: 0,
          end: size - 1,
          autoClose: false,
          highWaterMark: CHUNK_BYTES,
        });
  let read = 0;
  if (to) read = await pour(bytes as AsyncIterable<Uint8Array>, to, 0, digest, claim);
  else
    for await (const chunk of bytes as AsyncIterable<Uint8Array>) {
      digest.update(chunk);
      read += chunk.length;
    }
  requireSize(read, size);
  return { sizeBytes: read, crc64nvme: inBase64(await digest.sum()) };
}

/** Gives `write` a new file beside `path`, which gets this name once it is complete. */
async function putInPlace<T>(
  state: State,
  path: string,
  mode: number,
  write: (file: FileHandle) => Promise<T>,
): Promise<T> {
  if (state.closed) throw new FinalError('the attempt has ended');
  const unfinished = unfinishedBeside(path);
  state.unfinished.add(unfinished);
  try {
    const file = await open(unfinished, 'wx', mode);
    let written: T;
    try {
      written = await write(file);
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
    return written;
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  } finally {
    state.unfinished.delete(unfinished);
  }
}

async function copyFileIn(
  state: State,
  from: string,
  to: string,
  { room, isAnnounced }: Target,
): Promise<Downloaded> {
  await makeInputFolder(dirname(to));
  return persist(async () => {
    const file = await openFile(await insidePath(state, from));
    try {
      const before = await file.stat();
      const { size } = before;
      if (!isAnnounced) await room.announce(to, size);
      const claim = await room.claim(to, size);
      try {
        return await body(() =>
          putInPlace(state, to, modeOf(before.mode), async (copy) => {
            const copied = await pourFile(file, copy, { size, claim });
            const after = await file.stat();
            if (after.size !== size || after.mtimeMs !== before.mtimeMs)
              throw new Error(`${from} changed while it was read`);
            return copied;
          }),
        );
      } finally {
        claim.release();
      }
    } finally {
      await file.close();
    }
  });
}

async function copyFolderIn(state: State, from: string, to: string, target: Target): Promise<void> {
  const real = await insidePath(state, from);
  if (!(await stat(real)).isDirectory())
    throw new DeclaredError('it is declared as DIRECTORY but is not one');
  await makeInputFolder(to);
  if (isBelow(await realpath(to), real))
    throw new DeclaredError(`${from} cannot be copied into itself, to ${to}`);
  await copyMembers(state, { from, to, above: [real] }, target);
}

interface Walk {
  from: string;
  to: string;
  /** The folders from the top to this one, without links. */
  above: readonly string[];
}

async function copyMembers(state: State, { from, to, above }: Walk, target: Target): Promise<void> {
  const folders: Walk[] = [];
  const files: { from: string; to: string; sizeBytes: number }[] = [];
  for (const name of await namesIn(from)) {
    const path = join(from, name);
    const real = await insidePath(state, path);
    const facts = await stat(real);
    const member = { from: path, to: join(to, name) };
    if (facts.isFile()) files.push({ ...member, sizeBytes: facts.size });
    else if (!facts.isDirectory())
      throw new DeclaredError(`${path} is not a file or a folder, so it cannot be copied`);
    else if (above.includes(real))
      throw new DeclaredError(`${path} leads to a folder above it, so the copy would never end`);
    else folders.push({ ...member, above: [...above, real] });
  }
  await target.room.announceFolder(
    to,
    files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  );
  await allSettled(
    files.map((file) => copyFileIn(state, file.from, file.to, { ...target, isAnnounced: true })),
  );
  for (const folder of folders) {
    await makeInputFolder(folder.to);
    await copyMembers(state, folder, target);
  }
}

/** Without unfinished copies of other tasks. */
async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  for (const bytes of await readdir(folder, { encoding: 'buffer' })) {
    const name = bytes.toString('utf8');
    if (!Buffer.from(name).equals(bytes))
      throw new DeclaredError(
        `the name of the file ${JSON.stringify(name)} in ${folder} is not UTF-8`,
      );
    if (!isUnfinished(name)) names.push(name);
  }
  return names.toSorted();
}

/** The deepest folder that exists, and the path without links above it. */
async function placeOf(state: State, path: string): Promise<string> {
  let rest = basename(path);
  for (let there = dirname(path); ; there = dirname(there)) {
    const facts = await stat(there).catch((error: unknown) => {
      if (isAbsent(error)) return undefined;
      throw error;
    });
    if (facts?.isDirectory()) return join(await insidePath(state, there), rest);
    if (facts)
      throw new DeclaredError(`${there} is a file, so it cannot be the folder of an output`);
    rest = join(basename(there), rest);
  }
}

const isAbsent = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  (error.code === 'ENOENT' || error.code === 'ENOTDIR');

/** @returns the folder without links */
async function makeFolder(state: State, path: string): Promise<string> {
  // Before anything is made, so that nothing is made outside.
  const folder = dirname(await placeOf(state, join(path, 'file')));
  await mkdir(folder, { recursive: true });
  return insidePath(state, folder);
}

async function copyOut(state: State, from: string, to: string): Promise<CopiedOut> {
  const folder = await makeFolder(state, dirname(to));
  return writeFile(state, from, join(folder, basename(to)));
}

async function sumOf(path: string): Promise<CopiedOut> {
  const file = await openFile(path);
  try {
    const { size } = await file.stat();
    return { ...(await pourFile(file, undefined, { size })), etag: '' };
  } finally {
    await file.close();
  }
}

async function writeFile(state: State, from: string, place: string): Promise<CopiedOut> {
  const facts = await stat(place).catch(() => undefined);
  if (facts?.isDirectory())
    throw new DeclaredError(`${place} is a folder, so no file can be written there`);
  // A link to the task's own scratch is not in place: its file is gone with the task.
  if (facts && (await realpath(from)) === (await insidePath(state, place).catch(() => '')))
    return sumOf(from);
  const file = await openFile(from);
  try {
    const { size, mode } = await file.stat();
    const written = await putInPlace(state, place, modeOf(mode), async (copy) => {
      const sum = await pourFile(file, copy, { size });
      await copy.sync();
      return sum;
    });
    await syncFolder(dirname(place));
    return { ...written, etag: '' };
  } finally {
    await file.close();
  }
}

/** Some network file systems cannot sync a folder; then the rename is as safe as they make it. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync().catch(() => undefined);
  } finally {
    await folder.close();
  }
}
