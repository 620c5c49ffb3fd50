/** Names in a sentence: a task can have a million of them, and a sentence has room for a few. */
import { shorten } from './stored-record.ts';

const MOST_NAMES = 20;
const LONGEST_NAME = 300;
const LONGEST_LIST = 1400;

/** `a, b, c, and 1,234 more`: as many as a person reads. */
export function listNames(names: readonly string[], total = names.length): string {
  const shown: string[] = [];
  let length = 0;
  for (const name of names.slice(0, MOST_NAMES)) {
    const short = shorten(name, LONGEST_NAME);
    length += short.length + 2;
    if (length > LONGEST_LIST && shown.length > 0) break;
    shown.push(short);
  }
  const more = total - shown.length;
  return more > 0
    ? `${shown.join(', ')}, and ${more.toLocaleString('en-US')} more`
    : shown.join(', ');
}
