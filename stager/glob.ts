/** Finds what a pattern of an output matches (core/files/path-pattern.ts) in a file tree. */
import { lstat, readdir } from 'node:fs/promises';
import { literalStep, stepExpression } from '../core/files/path-pattern.ts';
import { isUtf8Name, spellName } from '../core/result/left-out.ts';
import type { LeftOut } from '../core/result/left-out.ts';
import { isCode } from './error-code.ts';

async function namesIn(folder: string): Promise<Buffer[]> {
  try {
    return await readdir(folder, { encoding: 'buffer' });
  } catch (error) {
    // A step that does not exist or is not a folder matches nothing.
    if (isCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return [];
    throw error;
  }
}

/** A link counts, also one that leads nowhere: what becomes of it is told to the caller. */
const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

export interface Matches {
  /** Existing paths, sorted. */
  paths: string[];
  /** What would match, but has a name that cannot be a part of a key. */
  leftOut: LeftOut[];
}

const NOT_UTF8 = 'its name is not UTF-8';

/** What the absolute pattern matches. */
export async function matchPaths(pattern: string): Promise<Matches> {
  const leftOut: LeftOut[] = [];
  const match = async (folder: string, expression: RegExp): Promise<string[]> => {
    const names: string[] = [];
    for (const name of await namesIn(folder === '' ? '/' : folder)) {
      const text = name.toString('utf8');
      if (!expression.test(text)) continue;
      if (isUtf8Name(name)) names.push(text);
      else leftOut.push({ path: `${folder}/${spellName(name)}`, why: NOT_UTF8 });
    }
    return names.toSorted().map((name) => `${folder}/${name}`);
  };
  let found = [''];
  for (const step of pattern.split('/').filter((one) => one !== '')) {
    const name = literalStep(step);
    const expression = stepExpression(step);
    const next = await Promise.all(
      found.map(async (folder) =>
        name === undefined ? match(folder, expression) : [`${folder}/${name}`],
      ),
    );
    found = next.flat();
  }
  const there = await Promise.all(found.map(exists));
  return { paths: found.filter((_, position) => there[position]), leftOut };
}
