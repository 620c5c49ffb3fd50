/** Makes folders at paths that a task names. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DeclaredError } from './s3.ts';

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );

/**
 * The folder and those above it, as far as they are missing. Returns the first one that it made.
 * Node's own `recursive` never ends in /proc, which answers ENOENT although the folder above is there.
 * @throws DeclaredError when a file of the task is where a folder is needed; otherwise the system's
 * error for the first folder that cannot be made
 */
export async function makeFolder(path: string): Promise<string | undefined> {
  try {
    return await makeFrom(path);
  } catch (error) {
    throw ['ENOTDIR', 'EEXIST'].includes(String(codeOf(error)))
      ? new DeclaredError(`${path} cannot be a folder, because a file is there or above it`)
      : error;
  }
}

async function makeFrom(path: string): Promise<string | undefined> {
  try {
    return await makeOne(path);
  } catch (error) {
    const above = dirname(path);
    if (codeOf(error) !== 'ENOENT' || above === path) throw error;
    // Another input may have made it in the meantime.
    const first = (await isFolder(above)) ? undefined : await makeFrom(above);
    const last = await makeOne(path);
    return first ?? last;
  }
}

/** Undefined when the folder is there already. */
async function makeOne(path: string): Promise<string | undefined> {
  try {
    await mkdir(path);
    return path;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || !(await isFolder(path))) throw error;
    return undefined;
  }
}
