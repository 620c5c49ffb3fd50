/** How fast what is used grows, over several windows: a burst shows in the short one, a tide in the long one. */

export interface Sample {
  atMs: number;
  usedBytes: number;
}

const WINDOWS_MS = [5_000, 30_000, 120_000] as const;
const LONGEST_MS = 120_000;

/** Samples that are too old for every window are dropped; one older than the longest is kept. */
export function withSample(samples: readonly Sample[], sample: Sample): Sample[] {
  const from = sample.atMs - LONGEST_MS;
  const first = samples.findLastIndex(({ atMs }) => atMs <= from);
  return [...samples.slice(Math.max(first, 0)), sample];
}

/**
 * Bytes per second over the longest window, all of which counts: a file that is made at its full size, and a
 * writer that has only begun, are no tide yet.
 */
export function lastingRate(samples: readonly Sample[]): number {
  const last = samples.at(-1);
  if (last === undefined) return 0;
  const from = last.atMs - LONGEST_MS;
  const start = samples.findLast(({ atMs }) => atMs <= from) ?? samples[0] ?? last;
  return Math.max(0, ((last.usedBytes - start.usedBytes) * 1000) / LONGEST_MS);
}

/** Bytes per second of the fastest window; 0 where nothing grows, or with less than two samples. */
export function fastestRate(samples: readonly Sample[]): number {
  const last = samples.at(-1);
  if (last === undefined) return 0;
  const rates = WINDOWS_MS.map((windowMs) => {
    const from = last.atMs - windowMs;
    const start =
      samples.findLast(({ atMs }) => atMs <= from) ?? samples.find(({ atMs }) => atMs < last.atMs);
    if (start === undefined || start.atMs === last.atMs) return 0;
    return ((last.usedBytes - start.usedBytes) * 1000) / (last.atMs - start.atMs);
  });
  return Math.max(0, ...rates);
}
