/**
 * Patterns in the path of an output, as TES takes them from POSIX (IEEE Std 1003.1, 2.13): `*`, `?` and `[…]` match
 * neither '/' nor a leading '.', and a backslash makes the next character literal. Only this file decides what a
 * pattern is. Once a task is accepted, an output has a pattern if and only if it has a `path_prefix`; every other
 * path is the name of a file.
 */

const classes: ReadonlyMap<string, string> = new Map([
  ['alnum', '\\p{L}\\p{N}'],
  ['alpha', '\\p{L}'],
  ['blank', ' \\t'],
  ['cntrl', '\\p{Cc}'],
  ['digit', '0-9'],
  ['graph', '!-~'],
  ['lower', '\\p{Ll}'],
  ['print', ' -~'],
  ['punct', '!-\\/:-@\\[-`{-~'],
  ['space', '\\s'],
  ['upper', '\\p{Lu}'],
  ['xdigit', '0-9A-Fa-f'],
]);

const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
const literalInSet = (text: string): string => text.replace(/[\\^\][-]/g, '\\$&');

/** The first element of a pattern, as an expression, and its length in the pattern. */
interface Piece {
  expression: string;
  length: number;
  /** The character that it stands for; absent for a wildcard. */
  text?: string;
}

/** `[.x.]` and `[=x=]`, which are x where no locale says more. */
const COLLATED = String.raw`\[\..\.\]|\[=.=\]`;
const ONE = String.raw`${COLLATED}|\\.|[^\\]`;
const IN_SET = String.raw`\[:[a-z]+:\]|${COLLATED}|\\.|[^\]\\]`;
/** A ']' that comes first is one of the set. */
const SET = new RegExp(String.raw`^\[(?:([!^])|(?![!^]))((?:\]|${IN_SET})(?:${IN_SET})*)\]`, 'su');
const MEMBER = new RegExp(
  String.raw`\[:(?<name>[a-z]+):\]|(?<from>${ONE})-(?!\[:)(?<to>${ONE})|(?<one>${COLLATED}|\\.|.)`,
  'gsu',
);
const WRITTEN = new RegExp(String.raw`^(?:\[[.=](.)[.=]\]|\\(.))$`, 'su');

/** The character that a member of a set is. */
function characterOf(member: string): string {
  const [, collated, escaped] = WRITTEN.exec(member) ?? [];
  return collated ?? escaped ?? member;
}

/** A range whose end is before its beginning holds nothing. */
function rangeOf(from: string, to: string): string {
  const [first, last] = [characterOf(from), characterOf(to)];
  return (first.codePointAt(0) ?? 0) > (last.codePointAt(0) ?? 0)
    ? ''
    : `${literalInSet(first)}-${literalInSet(last)}`;
}

/** `[…]`; undefined when it is not closed and so is an ordinary '['. */
function setPiece(rest: string): Piece | undefined {
  const match = SET.exec(rest);
  if (!match) return undefined;
  const [whole, negated = '', inside = ''] = match;
  const set = [...inside.matchAll(MEMBER)].map(({ groups = {} }) => {
    const { name, from, to, one = '' } = groups;
    if (name !== undefined) return classes.get(name) ?? '';
    return from === undefined || to === undefined
      ? literalInSet(characterOf(one))
      : rangeOf(from, to);
  });
  return { expression: `[${negated === '' ? '' : '^'}${set.join('')}]`, length: whole.length };
}

/** Of a `*`. */
const ANY = '.*';

const firstCharacter = (text: string): string => String.fromCodePoint(text.codePointAt(0) ?? 0);

function firstPiece(rest: string): Piece {
  const character = firstCharacter(rest);
  const plain = { expression: literal(character), length: character.length, text: character };
  if (character === '[') return setPiece(rest) ?? plain;
  if (character === '*') return { expression: ANY, length: 1 };
  if (character === '?') return { expression: '.', length: 1 };
  if (character !== '\\' || rest.length === 1) return plain;
  const escaped = firstCharacter(rest.slice(1));
  return { expression: literal(escaped), length: 1 + escaped.length, text: escaped };
}

function piecesOf(step: string): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < step.length;) {
    const piece = firstPiece(step.slice(at));
    pieces.push(piece);
    at += piece.length;
  }
  return pieces;
}

const isWildcard = ({ text }: Piece): boolean => text === undefined;

/** Whether a path as a caller sends it has a wildcard that is not escaped. */
export const isPattern = (path: string): boolean =>
  /[*?[]/.test(path) && path.split('/').some((step) => piecesOf(step).some(isWildcard));

/** What a path without wildcards names. Only what would be special can be escaped: `a\b` is a file of that name. */
export const unescapePath = (path: string): string => path.replace(/\\([*?[\]\\])/g, '$1');

/** The inverse: the path of a file, as a caller would have to send it. */
export const escapePath = (path: string): string =>
  isPattern(path) || unescapePath(path) !== path ? path.replace(/[*?[\]\\]/g, '\\$&') : path;

/** What the path of every match begins with: all that is before the first wildcard. */
export function literalStart(pattern: string): string {
  const steps: string[] = [];
  for (const step of pattern.split('/')) {
    const pieces = piecesOf(step);
    const wildcard = pieces.findIndex(isWildcard);
    const literals = wildcard === -1 ? pieces : pieces.slice(0, wildcard);
    steps.push(literals.map(({ text = '' }) => text).join(''));
    if (wildcard !== -1) break;
  }
  return steps.join('/');
}

/**
 * One step of a path, as an expression for file names. What follows a `*` is taken where it comes first and never
 * looked for again: tried in all ways, five stars on a name of 120 letters took 39 s.
 */
export function stepExpression(step: string): RegExp {
  const pieces = piecesOf(step);
  const between: string[] = [''];
  for (const piece of pieces) {
    if (piece.expression === ANY) between.push('');
    else between[between.length - 1] += piece.expression;
  }
  const [start = '', ...stars] = between;
  const end = stars.pop();
  const middle = stars
    .filter((one) => one !== '')
    .map((one, at) => `(?=(?<star${at}>.*?${one}))\\k<star${at}>`);
  const hidden = pieces[0]?.text === '.' ? '' : '(?!\\.)';
  return new RegExp(
    `^${hidden}${start}${middle.join('')}${end === undefined ? '' : `.*${end}`}$`,
    'su',
  );
}

/** The name that a step without wildcards matches; undefined for one with wildcards. */
export function literalStep(step: string): string | undefined {
  const pieces = piecesOf(step);
  return pieces.some(isWildcard) ? undefined : pieces.map(({ text = '' }) => text).join('');
}
