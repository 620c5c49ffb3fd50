/** Bounds how often a process logs one event: an outage must not fill the disk that logs are on. */

/** Lines of one event per minute. The next ones are counted. */
const LINES_PER_MINUTE = 30;
const MINUTE_MS = 60_000;

export interface LineLimit {
  /** Whether a line of this event is written now. */
  admits(event: string): boolean;
}

/** @param onLeftOut called at the end of a minute in which lines were left out */
export function createLineLimit(
  onLeftOut: (event: string, lines: number) => void,
  { perMinute, windowMs }: { perMinute: number; windowMs: number } = {
    perMinute: LINES_PER_MINUTE,
    windowMs: MINUTE_MS,
  },
): LineLimit {
  const counts = new Map<string, number>();
  const close = (event: string): void => {
    const leftOut = (counts.get(event) ?? 0) - perMinute;
    counts.delete(event);
    if (leftOut > 0) onLeftOut(event, leftOut);
  };
  return {
    admits(event) {
      const count = counts.get(event) ?? 0;
      if (count === 0) setTimeout(() => close(event), windowMs).unref();
      counts.set(event, count + 1);
      return count < perMinute;
    },
  };
}
