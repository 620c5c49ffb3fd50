/**
 * Removes whatever a job has left: trees deeper than the longest path that the kernel takes, folders
 * without permissions, names that are not UTF-8, a million files. `fs.rm` gives up on each of these.
 */
import { chmod, opendir, rename, rmdir, unlink } from 'node:fs/promises';

/** Linux takes 4,095 bytes. What remains is for one name. */
const LONGEST_FOLDER_BYTES = 3_500;
const AT_ONCE = 64;
/** A folder may change while it is read. */
const PASSES = 3;
/** One byte is one character: names are bytes to the kernel. */
const BYTES = 'latin1';
const SLASH = Buffer.from('/');

interface Removal {
  root: Buffer;
  /** Folders that were too deep, and are in the root now. */
  parked: number;
  failure?: unknown;
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

const within = (folder: Buffer, name: string): Buffer =>
  Buffer.concat([folder, SLASH, Buffer.from(name, BYTES)]);

/**
 * Does nothing when there is nothing at the path.
 * @throws the first failure, after everything else was removed
 */
export async function removeTree(path: string): Promise<void> {
  const removal: Removal = { root: Buffer.from(path), parked: 0 };
  for (let before = -1; before < removal.parked;) {
    before = removal.parked;
    await removeFolder(removal, removal.root);
  }
  if (removal.failure !== undefined) throw removal.failure;
}

/** Runs it again once the owner may do everything in the folder. */
async function permitted<T>(folder: Buffer, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (codeOf(error) !== 'EACCES' && codeOf(error) !== 'EPERM') throw error;
    await chmod(folder, 0o700);
    return work();
  }
}

async function removeFolder(removal: Removal, folder: Buffer, above?: Buffer): Promise<void> {
  for (let pass = 1; ; pass += 1) {
    const parked = removal.parked;
    try {
      await permitted(folder, () => empty(removal, folder));
      if (above === undefined) await rmdir(folder);
      else await permitted(above, () => rmdir(folder));
      return;
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT') return;
      if (code === 'ENOTDIR') return unlink(folder);
      // The root has got what was too deep elsewhere.
      if (code === 'ENOTEMPTY' && (pass < PASSES || parked < removal.parked)) continue;
      removal.failure ??= error;
      return;
    }
  }
}

async function empty(removal: Removal, folder: Buffer): Promise<void> {
  const entries = await opendir(folder, { encoding: BYTES });
  let some: Promise<void>[] = [];
  for await (const entry of entries) {
    const path = within(folder, entry.name);
    some.push(
      entry.isDirectory() ? removeBelow(removal, folder, path) : removeFile(removal, folder, path),
    );
    if (some.length >= AT_ONCE) {
      await Promise.all(some);
      some = [];
    }
  }
  await Promise.all(some);
}

async function removeFile(removal: Removal, folder: Buffer, path: Buffer): Promise<void> {
  try {
    await permitted(folder, () => unlink(path));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') removal.failure ??= error;
  }
}

async function removeBelow(removal: Removal, above: Buffer, folder: Buffer): Promise<void> {
  if (folder.length <= LONGEST_FOLDER_BYTES) return removeFolder(removal, folder, above);
  removal.parked += 1;
  const place = within(removal.root, `.too-deep-${removal.parked}`);
  try {
    // To move a folder changes its "..".
    await permitted(folder, () => permitted(above, () => rename(folder, place)));
  } catch (error) {
    removal.failure ??= error;
  }
}
