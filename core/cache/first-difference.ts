/** Where two texts differ first, as a person would show it: one line, short, and without digests. */

const LONGEST = 120;
const DIGEST = /[0-9a-f]{16,}/gi;
const SHOWN_DIGITS = 12;

/** Digests tell a reader nothing; their beginning is enough to compare them. */
export const shortenDigests = (text: string): string =>
  text.replaceAll(DIGEST, (digest) => `${digest.slice(0, SHOWN_DIGITS)}…`);

/** One line, around the position where it differs. */
function clipAround(text: string, position: number): string {
  const oneLine = text.replaceAll(/\s+/g, ' ');
  if (oneLine.length <= LONGEST) return oneLine;
  const start = Math.max(0, Math.min(position - LONGEST / 3, oneLine.length - LONGEST));
  const end = start + LONGEST;
  return `${start > 0 ? '…' : ''}${oneLine.slice(start, end)}${end < oneLine.length ? '…' : ''}`;
}

function commonLength(here: string, there: string): number {
  const longest = Math.min(here.length, there.length);
  for (let position = 0; position < longest; position += 1)
    if (here[position] !== there[position]) return position;
  return longest;
}

/** Both sides, cut to what is around the first difference. */
export function clipBoth(here: string, there: string): { here: string; there: string } {
  const at = commonLength(here, there);
  return { here: clipAround(here, at), there: clipAround(there, at) };
}

export interface LineDifference {
  /** From 1. */
  line: number;
  /** A line that only this text has. */
  added?: string;
  /** A line that only the other text has. */
  removed?: string;
}

function firstUnequal(mine: readonly string[], theirs: readonly string[]): number {
  let at = 0;
  while (at < mine.length && at < theirs.length && mine[at] === theirs[at]) at += 1;
  return at;
}

/** Whether `longer` goes on after its line as the other does at it. */
const isPutIn = (longer: readonly string[], other: readonly string[], at: number): boolean =>
  longer.length > other.length && longer[at + 1] === other[at];

/**
 * The first line that differs. An inserted or removed line is shown as such, and not as a change of all that
 * follow.
 */
export function firstLineDifference(here: string, there: string): LineDifference | undefined {
  if (here === there) return undefined;
  const [mine, theirs] = [here.split('\n'), there.split('\n')];
  const at = firstUnequal(mine, theirs);
  const [added, removed] = [mine[at], theirs[at]];
  const line = at + 1;
  if (removed === undefined || isPutIn(mine, theirs, at))
    return { line, added: clipAround(added ?? '', 0) };
  if (added === undefined || isPutIn(theirs, mine, at))
    return { line, removed: clipAround(removed, 0) };
  const clipped = clipBoth(added, removed);
  return { line, added: clipped.here, removed: clipped.there };
}
