/** The files that executors print to. */
import { constants, mkdir, open, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { LiveStream } from './live-logs.ts';

/** Where an executor prints to. */
export type Stream = Pick<LiveStream, 'path' | 'file'>;

/**
 * Opens the file that the shell will append to, so that what is printed can be read whatever the task
 * does to the file's name. What is not a regular file is left to others.
 */
export async function openStream(named: string, own: string): Promise<Stream> {
  const path = named || own;
  const flags = constants.O_RDONLY | constants.O_CREAT | constants.O_NONBLOCK;
  // An earlier executor may have deleted the folder.
  if (named === '') await mkdir(dirname(own), { recursive: true, mode: 0o700 });
  const facts = await stat(path).catch(() => undefined);
  if (facts !== undefined && !facts.isFile()) return { path };
  const file: FileHandle | undefined = await open(path, flags, named === '' ? 0o600 : 0o666).catch(
    () => undefined,
  );
  return { path, file };
}

/** An executor may name /dev/null or a pipe. Only a regular file is uploaded. */
export async function hasText({ path, file }: Stream): Promise<boolean> {
  const facts = await (file ? file.stat() : stat(path)).catch(() => undefined);
  return facts !== undefined && facts.isFile() && facts.size > 0;
}
