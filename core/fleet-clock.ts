/**
 * The fleet's clock is the database's. A process carries it on with its own monotonic clock, and
 * learns from each reading how far the two are apart: the database read its clock between the
 * request and the answer, so each reading gives bounds that hold however slow the answer was.
 * Hosts' wall clocks take no part.
 */

/** Database time minus monotonic time is between the two. */
export interface OffsetBounds {
  lowMs: number;
  highMs: number;
  /** Monotonic time of the reading. */
  atMs: number;
}

/** One reading of the database's clock. The other two times are of the monotonic clock. */
export interface ClockReading {
  sentMs: number;
  databaseMs: number;
  receivedMs: number;
}

export interface ClockKnowledge {
  known?: OffsetBounds;
  /** What the last reading said, if it contradicts what is known. */
  doubted?: OffsetBounds;
}

/** Two clocks drift apart by up to this much; a clock that is being slewed, by 500 ppm. */
const DRIFT = 0.0005;
/** The database gives whole milliseconds, rounded down or up. */
const ROUNDING_MS = 1;

export const offsetMs = ({ lowMs, highMs }: OffsetBounds): number => (lowMs + highMs) / 2;

const boundsOf = ({ sentMs, databaseMs, receivedMs }: ClockReading): OffsetBounds => ({
  lowMs: databaseMs - ROUNDING_MS - receivedMs,
  highMs: databaseMs + ROUNDING_MS - sentMs,
  atMs: receivedMs,
});

/** What both allow; undefined when they contradict each other. */
function meet(earlier: OffsetBounds, later: OffsetBounds): OffsetBounds | undefined {
  const driftMs = Math.max(0, later.atMs - earlier.atMs) * DRIFT;
  const lowMs = Math.max(earlier.lowMs - driftMs, later.lowMs);
  const highMs = Math.min(earlier.highMs + driftMs, later.highMs);
  return lowMs <= highMs ? { lowMs, highMs, atMs: later.atMs } : undefined;
}

/**
 * A reading that contradicts what is known is believed once the next one confirms it: the
 * database's clock was set, another server took over, or this host slept. One wild reading changes
 * nothing.
 */
export function learnOffset(
  { known, doubted }: ClockKnowledge,
  reading: ClockReading,
): ClockKnowledge {
  const read = boundsOf(reading);
  if (!known) return { known: read };
  const agreed = meet(known, read);
  if (agreed) return { known: agreed };
  const confirmed = doubted && meet(doubted, read);
  return confirmed ? { known: confirmed } : { known, doubted: read };
}

/** A small step back is waited out, so that time within a process does not go backward. */
const MOST_HELD_MS = 1000;

/** The time to give out, when `lastMs` was given out before. */
export const nextTick = (lastMs: number, readMs: number): number =>
  readMs < lastMs && lastMs - readMs <= MOST_HELD_MS ? lastMs : readMs;
