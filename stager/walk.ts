/** What is in the folder of an output: its files, its empty folders, and what cannot be written. */
import { readdir, readlink, realpath, stat } from 'node:fs/promises';
import type { Dirent, Stats } from 'node:fs';
import { isUtf8Name, MOST_LEFT_OUT, spellName } from '../core/result/left-out.ts';
import type { LeftOut } from '../core/result/left-out.ts';
import { isBelow } from './reach.ts';
import type { Reach } from './reach.ts';

export interface FoundFile {
  local: string;
  /** As `UploadedFile.path`. */
  path: string;
}

export interface Found {
  files: FoundFile[];
  /** The first ones by name, and how many there are. */
  leftOut: LeftOut[];
  leftOutCount: number;
}

export const nothingFound = (): Found => ({ files: [], leftOut: [], leftOutCount: 0 });

export function leaveOut(found: Found, one: LeftOut): void {
  found.leftOutCount += 1;
  if (found.leftOut.length < MOST_LEFT_OUT) found.leftOut.push(one);
}

/** A folder on the way down. */
interface Folder {
  /** Without links. */
  real: string;
  /** What it is called in the output: '' for the output itself. */
  path: string;
  /** As the task sees it. */
  shown: string;
  /** The folders that led here, without links, and itself once it is walked. */
  above: readonly string[];
  /** A link led here. */
  isLinked: boolean;
}

interface Walk {
  reach: Reach;
  root: string;
  found: Found;
  /** Folders that a link led to: each is written once that way, beside its own place. */
  linked: Set<string>;
}

/**
 * Everything below a folder. Links are followed to what the task was given or made. A folder is written at its own
 * place and once more where a link leads to it, so that no tree of links grows without end.
 */
export async function walkFolder(root: string, reach: Reach, found: Found): Promise<void> {
  const real = await realpath(root);
  const walk: Walk = { reach, root: real, found, linked: new Set() };
  await walkInto(walk, { real, path: '', shown: root, above: [], isLinked: false });
}

const within = (folder: string, name: string): string =>
  folder === '' || folder.endsWith('/') ? folder + name : `${folder}/${name}`;

async function walkInto(walk: Walk, from: Folder): Promise<void> {
  const folder = { ...from, above: [...from.above, from.real] };
  if (folder.isLinked) walk.linked.add(folder.real);
  const entries = await readdir(folder.real, { withFileTypes: true, encoding: 'buffer' });
  let kept = 0;
  const named = entries.map((entry) => ({ entry, name: entry.name.toString('utf8') }));
  for (const { entry, name } of named.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const shown = within(folder.shown, spellName(entry.name));
    const why = isUtf8Name(entry.name)
      ? await take(walk, folder, { entry, name, shown })
      : 'its name is not UTF-8';
    if (why === undefined) kept += 1;
    else leaveOut(walk.found, { path: shown, why });
  }
  if (kept === 0) walk.found.files.push({ local: folder.real, path: `${folder.path}/` });
}

interface Entry {
  entry: Dirent<Buffer>;
  name: string;
  shown: string;
}

/** @returns why it is not written */
async function take(
  walk: Walk,
  folder: Folder,
  { entry, name, shown }: Entry,
): Promise<string | undefined> {
  const path = within(folder.path, name);
  const real = within(folder.real, name);
  if (entry.isSymbolicLink()) return takeLink(walk, folder, { link: real, path, shown });
  if (entry.isDirectory()) {
    if (folder.isLinked && walk.linked.has(real)) return WRITTEN;
    await walkInto(walk, { ...folder, real, path, shown });
    return undefined;
  }
  if (!entry.isFile()) return kindOf(entry);
  walk.found.files.push({ local: real, path });
  return undefined;
}

const WRITTEN = 'a folder that is already written where another link leads to it';

async function takeLink(
  walk: Walk,
  folder: Folder,
  { link, path, shown }: { link: string; path: string; shown: string },
): Promise<string | undefined> {
  const target = await followLink(link);
  if ('why' in target) return target.why;
  const { real, facts } = target;
  if (facts.isDirectory() && (isBelow(walk.root, real) || folder.above.includes(real)))
    return `a link to ${real}, which contains it`;
  if (!isBelow(real, walk.root) && !walk.reach.holds(real))
    return `a link to ${real}, which is not a file of the task`;
  if (facts.isDirectory()) {
    if (walk.linked.has(real)) return `a link to ${real}, which another link has led to`;
    await walkInto(walk, { ...folder, real, path, shown, isLinked: true });
    return undefined;
  }
  if (!facts.isFile()) return `a link to ${real}, ${kindOf(facts)}`;
  walk.found.files.push({ local: real, path });
  return undefined;
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'an unknown error';

async function followLink(link: string): Promise<{ real: string; facts: Stats } | { why: string }> {
  let bytes: Buffer;
  try {
    bytes = await realpath(link, { encoding: 'buffer' });
  } catch (error) {
    const code = codeOf(error);
    const to = spellName(
      await readlink(link, { encoding: 'buffer' }).catch(() => Buffer.from('?')),
    );
    if (code === 'ENOENT' || code === 'ENOTDIR')
      return { why: `a link to ${to}, which does not exist` };
    if (code === 'ELOOP') return { why: `a link to ${to}, which leads back to itself` };
    return { why: `a link to ${to}, which cannot be followed: ${code}` };
  }
  if (!isUtf8Name(bytes)) return { why: `a link to ${spellName(bytes)}, which is not UTF-8` };
  const real = bytes.toString('utf8');
  return { real, facts: await stat(real) };
}

/** What is neither a file, nor a folder, nor a link. */
export function kindOf(facts: Pick<Stats, 'isFIFO' | 'isSocket' | 'isBlockDevice'>): string {
  if (facts.isFIFO()) return 'a named pipe';
  if (facts.isSocket()) return 'a socket';
  return 'a device';
}
