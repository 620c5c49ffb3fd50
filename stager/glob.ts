/**
 * Shell patterns over a file tree (POSIX 2.13, as in TES). `*`, `?` and `[…]` match neither '/' nor
 * a leading '.'.
 */
import { readdir, stat } from 'node:fs/promises';

const classes: Record<string, string> = {
  alnum: '\\p{L}\\p{N}',
  alpha: '\\p{L}',
  blank: ' \\t',
  cntrl: '\\p{Cc}',
  digit: '0-9',
  graph: '!-~',
  lower: '\\p{Ll}',
  print: ' -~',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\s',
  upper: '\\p{Lu}',
  xdigit: '0-9A-Fa-f',
};

export const hasWildcard = (path: string): boolean => /[*?[]/.test(path);

const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
const literalInSet = (text: string): string => text.replace(/[\\^\][-]/g, '\\$&');

/** The first element of a pattern, as an expression, and its length in the pattern. */
interface Piece {
  expression: string;
  length: number;
}

const member = (text: string): string =>
  literalInSet(text.length > 1 && text.startsWith('\\') ? text.slice(1) : text);

/** `[…]`; undefined when it is not closed and so is an ordinary '['. */
function setPiece(rest: string): Piece | undefined {
  const match = /^\[([!^]?)(\]?(?:\[:[a-z]+:\]|\\.|[^\]\\])*)\]/su.exec(rest);
  if (!match) return undefined;
  const [whole, negated = '', inside = ''] = match;
  const members = inside.matchAll(
    /\[:(?<name>[a-z]+):\]|(?<from>\\.|[^\\])-(?<to>\\.|[^\\])|(?<one>\\.|.)/gsu,
  );
  const set = [...members].map(({ groups = {} }) => {
    const { name, from, to, one = '' } = groups;
    if (name !== undefined) return classes[name] ?? '';
    return from === undefined || to === undefined ? member(one) : `${member(from)}-${member(to)}`;
  });
  return { expression: `[${negated === '' ? '' : '^'}${set.join('')}]`, length: whole.length };
}

function firstPiece(rest: string): Piece {
  const character = String.fromCodePoint(rest.codePointAt(0) ?? 0);
  const plain = { expression: literal(character), length: character.length };
  if (character === '[') return setPiece(rest) ?? plain;
  if (character === '*') return { expression: '.*', length: 1 };
  if (character === '?') return { expression: '.', length: 1 };
  return character === '\\' && rest.length > 1
    ? { expression: literal(rest.charAt(1)), length: 2 }
    : plain;
}

/** One step of a path, as an expression for file names. */
export function stepExpression(step: string): RegExp {
  let source = step.startsWith('.') ? '' : '(?!\\.)';
  for (let at = 0; at < step.length;) {
    const piece = firstPiece(step.slice(at));
    source += piece.expression;
    at += piece.length;
  }
  return new RegExp(`^${source}$`, 'su');
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (error) {
    // A step that does not exist or is not a folder matches nothing.
    if (
      error instanceof Error &&
      'code' in error &&
      (error.code === 'ENOENT' || error.code === 'ENOTDIR')
    )
      return [];
    throw error;
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** The existing paths that the absolute pattern matches, sorted. */
export async function matchPaths(pattern: string): Promise<string[]> {
  const steps = pattern.split('/').filter((step) => step !== '');
  let found = [''];
  for (const step of steps) {
    const isPattern = hasWildcard(step);
    const expression = stepExpression(step);
    const next = await Promise.all(
      found.map(async (folder) => {
        if (!isPattern) return [`${folder}/${step.replace(/\\(.)/gsu, '$1')}`];
        return (await namesIn(folder === '' ? '/' : folder))
          .filter((name) => expression.test(name))
          .map((name) => `${folder}/${name}`);
      }),
    );
    found = next.flat();
  }
  const there = await Promise.all(found.map(exists));
  return found.filter((_, position) => there[position]);
}
