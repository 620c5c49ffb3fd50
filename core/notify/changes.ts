/**
 * How readers walk the change log. An id is assigned when a row is written, not when it is
 * committed, so a lower id can become visible after a higher one. A reader that continued at once
 * would miss it. This folder: events and webhooks.
 */

export interface ReadChange {
  id: number;
  /** Task keys. */
  tasks: number[];
  /** Whether the change ended the tasks. */
  ended: boolean;
  /** Old enough that every earlier row is either committed or rolled back. */
  settled: boolean;
}

/**
 * The leading changes, in order of id, before which no change can be missing.
 * @param step distance between two ids
 */
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
