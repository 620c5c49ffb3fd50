/** Tells operators when a host's wall clock is wrong, or the fleet's clock was set. */
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

/** NTP keeps hosts within milliseconds; AWS denies requests that are 5 minutes off. */
const WRONG_MS = 5000;

/** For the fleet's clock of one process. */
export function watchClock(metrics: Metrics, log: Log) {
  let isWrong = false;
  return {
    onSight({ skewMs, steppedMs }: { skewMs: number; steppedMs?: number }): void {
      metrics.clockSkewSeconds.set(skewMs / 1000);
      if (steppedMs !== undefined)
        log.warn({ steppedMs: Math.round(steppedMs) }, 'fleet-clock-stepped');
      const wasWrong = isWrong;
      isWrong = Math.abs(skewMs) > WRONG_MS;
      if (isWrong && !wasWrong) log.warn({ skewMs: Math.round(skewMs) }, 'host-clock-wrong');
      if (wasWrong && !isWrong) log.info({ skewMs: Math.round(skewMs) }, 'host-clock-right');
    },
    onTrouble: (error: unknown): void => log.debug({ err: error }, 'fleet-clock-not-read'),
  };
}
