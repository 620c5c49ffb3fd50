/** When a row that has not moved is due for the sweeper. */

const STEPS_PER_STALL = 8;

/**
 * In coarse steps: rows that move several times within a step keep their due time, and the index of
 * due times is not rewritten at each move.
 */
export function dueAfter(nowMs: number, stallMs: number): number {
  const stepMs = Math.max(1, Math.round(stallMs / STEPS_PER_STALL));
  return Math.ceil((nowMs + stallMs) / stepMs) * stepMs;
}
