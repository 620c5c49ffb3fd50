/**
 * The log of changes, as its readers walk it. Its ids are given when a row is written and not when it is committed, so
 * that a lower one may show after a higher one: a reader that went on at once would never see it.
 */

export interface ReadChange {
  id: number;
  /** Task keys. */
  tasks: number[];
  /** They have come to their end by it. */
  ended: boolean;
  /** Old enough that whatever came before it is committed, or never will be. */
  settled: boolean;
}

/** Changes that were read in order of their ids, as far as none before them can be missing. @param step between two ids */
export function settledPart(
  after: number,
  changes: readonly ReadChange[],
  step: number,
): ReadChange[] {
  let last = after;
  const end = changes.findIndex(({ id, settled }) => {
    if (id > last + step && !settled) return true;
    last = id;
    return false;
  });
  return end === -1 ? [...changes] : changes.slice(0, end);
}
