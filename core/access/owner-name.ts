/** Names of owners and of cache domains, which rows are compared with. */

/** In characters: the columns hold no more. */
export const LONGEST_OWNER = 64;

/**
 * What was expected in place of such a name; undefined where it is one. MySQL takes texts that differ
 * only in spaces at their ends for equal (PAD SPACE), so the owner `ann ` would see the tasks of `ann`.
 * Half a surrogate pair is stored as U+FFFD, as every other half is.
 */
export function ownerInstead(name: string): string | undefined {
  if (name === '' || name.length > LONGEST_OWNER)
    return `a name of 1 to ${LONGEST_OWNER} characters`;
  if (name !== name.trim()) return 'a name without white space at its ends';
  return /\p{Cc}/u.test(name) || !name.isWellFormed()
    ? 'a name of well-formed Unicode without control characters'
    : undefined;
}
