/**
 * Where links out of an output folder are followed: to what the task was given or made, and not to the files of its
 * image or of its host (ADR 0025).
 */
import { opendir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Never files of a task, whatever is declared. */
const SYSTEM_FOLDERS = ['/proc', '/sys', '/dev'];
/** In any image, what is here was made while the container ran, or is of no interest. */
const TEMPORARY_FOLDERS = ['/tmp', '/var/tmp', '/dev/shm'];
/** Folders that are listed before the first command, and names in each: a larger one counts as unknown. */
const MOST_LISTED = 100;
const MOST_NAMES = 2000;

/** What was in the upper folders of the container before a command ran, by folder. */
export type Before = ReadonlyMap<string, ReadonlySet<string>>;

/** Or the folder itself. */
export const isBelow = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);

/** The image's programs and settings: what is in them is the image's. */
const PROGRAM_FOLDERS = ['/usr', '/etc', '/lib', '/lib64', '/bin', '/sbin'];
const NOT_LISTED = new Set([...SYSTEM_FOLDERS, ...TEMPORARY_FOLDERS, ...PROGRAM_FOLDERS]);

const isSystem = (path: string): boolean =>
  SYSTEM_FOLDERS.some((folder) => isBelow(path, folder)) &&
  !TEMPORARY_FOLDERS.some((folder) => isBelow(path, folder));

/** Only folders of the container's own file system: a mount can be a bucket with a million names. */
async function listFolder(
  folder: string,
  device: number,
): Promise<Map<string, boolean> | undefined> {
  try {
    if ((await stat(folder)).dev !== device) return undefined;
    const names = new Map<string, boolean>();
    for await (const entry of await opendir(folder, { bufferSize: 256 })) {
      if (names.size === MOST_NAMES) return undefined;
      names.set(entry.name, entry.isDirectory());
    }
    return names;
  } catch {
    return undefined;
  }
}

/** The upper folders first, so that a folder of a task is recognised by its name and not by a time. */
export async function lookBefore(): Promise<Before> {
  const before = new Map<string, Set<string>>();
  const { dev } = await stat('/');
  let level = ['/'];
  while (level.length > 0 && before.size < MOST_LISTED) {
    const next: string[] = [];
    for (const folder of level.slice(0, MOST_LISTED - before.size)) {
      const names = NOT_LISTED.has(folder) ? undefined : await listFolder(folder, dev);
      if (!names) continue;
      before.set(folder, new Set(names.keys()));
      for (const [name, isFolder] of names) if (isFolder) next.push(join(folder, name));
    }
    level = next.toSorted();
  }
  return before;
}

/** Whether the path, or a folder above it, was not there before a command ran. */
function isNew(path: string, before: Before): boolean {
  let folder = '/';
  for (const name of path.split('/').filter((step) => step !== '')) {
    const names = before.get(folder);
    if (!names) return false;
    if (!names.has(name)) return true;
    folder = join(folder, name);
  }
  return false;
}

/** The system's own; in some container runtimes with the secrets of the host. */
const RUN_FOLDER = '/run';

/**
 * Folders that are mounted for writing: EFS, folders in memory, and folders that hosts share. A definition mounts
 * them, so the script does not name them.
 * @param mountinfo of proc(5)
 */
export function writableMounts(mountinfo: string): string[] {
  const mounts = mountinfo.split('\n').flatMap((line) => {
    const [, , , , point = '', options = ''] = line.split(' ');
    const path = point.replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    return options.split(',').includes('rw') ? [path] : [];
  });
  const kept = [...SYSTEM_FOLDERS, ...PROGRAM_FOLDERS, RUN_FOLDER];
  return mounts.filter(
    (path) => path !== '/' && path !== '' && !kept.some((folder) => isBelow(path, folder)),
  );
}

/** Not the single files that a container runtime mounts. */
async function mountedFolders(): Promise<string[]> {
  const mounts = writableMounts(await readFile('/proc/self/mountinfo', 'utf8').catch(() => ''));
  const folders = await Promise.all(
    mounts.map((path) =>
      stat(path).then(
        (facts) => facts.isDirectory(),
        () => false,
      ),
    ),
  );
  return mounts.filter((_, position) => folders[position]);
}

export interface Reach {
  /** @param real a path without links */
  holds(real: string): boolean;
}

export interface ReachFacts {
  /** Paths of inputs, volumes, working directories, and of what the stager made for outputs. */
  given: readonly string[];
  /** The stager's own folder. */
  own?: string;
  before?: Before | undefined;
  /** Folders that are mounted for writing; those of this container where absent. */
  mounts?: readonly string[];
}

const realOf = (path: string): Promise<string> => realpath(path).catch(() => path);

export async function openReach({
  given,
  own,
  before = new Map(),
  mounts,
}: ReachFacts): Promise<Reach> {
  const folders = [
    ...new Set([...TEMPORARY_FOLDERS, ...(mounts ?? (await mountedFolders())), ...given]),
  ].filter((path) => path !== '/');
  const held = await Promise.all(folders.map(realOf));
  const kept = own === undefined ? undefined : await realOf(own);
  return {
    holds: (path) =>
      !isSystem(path) &&
      (kept === undefined || !isBelow(path, kept)) &&
      (held.some((folder) => isBelow(path, folder)) || isNew(path, before)),
  };
}
