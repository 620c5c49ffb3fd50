/** How fast tasks end, and how long the others will take at that rate. */

export interface Pace {
  /** Tasks that ended per second; absent until some have. */
  perSecond?: number;
  leftMs?: number;
}

interface Sample {
  ms: number;
  ended: number;
}

/** Long enough for tasks that end in waves, short enough to follow a change. */
const WINDOW_MS = 60_000;
/** Before, a rate would say little. */
const LEAST_MS = 2000;

/** Learns from the counts that it is given. */
export function createPace(): (sample: Sample & { size: number }) => Pace {
  const samples: Sample[] = [];
  return ({ ms, ended, size }) => {
    samples.push({ ms, ended });
    while (samples.length > 2 && ms - (samples[1]?.ms ?? ms) > WINDOW_MS) samples.shift();
    const first = samples[0] ?? { ms, ended };
    const gained = ended - first.ended;
    if (gained <= 0 || ms - first.ms < LEAST_MS) return {};
    const perSecond = (gained * 1000) / (ms - first.ms);
    return { perSecond, leftMs: ((size - ended) / perSecond) * 1000 };
  };
}

/** `12/s`, `3.4/s`, `5/min`. */
export const formatRate = (perSecond: number): string =>
  perSecond >= 10
    ? `${Math.round(perSecond)}/s`
    : perSecond >= 1
      ? `${perSecond.toFixed(1)}/s`
      : `${Math.max(1, Math.round(perSecond * 60))}/min`;
