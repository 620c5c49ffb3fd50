/** From where the result records of a submission are listed, so that a look reads the new ones. */

/** Hosts' clocks differ, and a record is written a moment after the time in its key. */
const OVERLAP_MS = 3000;

/** One host whose clock is ahead does not decide. */
const MOST = 0.9;

/**
 * The time from which the next look lists, in the clock of the hosts. It only saves requests: a record that it
 * leaves out is found by listing all, as soon as Batch has ended more attempts than were recorded.
 * @param seen when each start and each end that a listing found was; epoch ms
 * @param before from when that listing began
 */
export function nextListFrom(seen: readonly number[], before: number): number {
  const sorted = seen.toSorted((a, b) => a - b);
  const late = sorted[Math.floor((sorted.length - 1) * MOST)];
  return late === undefined ? before : Math.max(0, late - OVERLAP_MS);
}
