/** What was in the folder of an output and could not become an object of it. */
import { listNames } from './list-names.ts';

export interface LeftOut {
  /** In the container, as a person reads it: bytes that are not UTF-8 are spelled out. */
  path: string;
  /** Such as `a named pipe`. */
  why: string;
}

/** How many are kept with their names; the others are only counted. */
export const MOST_LEFT_OUT = 100;

/** The sentence that names them. @param count how many there are, of which `named` are the first */
export function sayLeftOut(output: string, named: readonly LeftOut[], count: number): string {
  const list = listNames(
    named.map(({ path, why }) => `${JSON.stringify(path)} (${why})`),
    count,
  );
  return `Of the output ${output}, ${count.toLocaleString('en-US')} ${count === 1 ? 'entry was' : 'entries were'} not written: ${list}.`;
}

/** The name of a file whose bytes may not be UTF-8, as `caf\xe9.txt`. */
export const spellName = (name: Buffer): string =>
  isUtf8Name(name)
    ? name.toString('utf8')
    : [...name]
        .map((byte) =>
          byte >= 0x20 && byte < 0x7f
            ? String.fromCharCode(byte)
            : `\\x${byte.toString(16).padStart(2, '0')}`,
        )
        .join('');

export const isUtf8Name = (name: Buffer): boolean =>
  Buffer.from(name.toString('utf8')).equals(name);
