const FIRST_MS = 1000;
const LONGEST_MS = 60_000;

/** Pause before the next try, after this many failures in a row. */
export const backoffMs = (failures: number): number =>
  Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
