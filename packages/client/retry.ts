/** What comes after an attempt, as a value: send.ts does it. */

export interface RetryPolicy {
  /** Attempts of one call, the first one included. */
  tries: number;
  /** Pauses before the next attempt are random, up to this, doubled with each attempt. */
  baseMs: number;
  /** The longest of these pauses; a Retry-After beyond ten times as long is given up at once. */
  longestMs: number;
}

/** Half a minute in all on average, and up to a minute: a service that is replaced is back by then. */
export const defaultPolicy: RetryPolicy = { tries: 8, baseMs: 500, longestMs: 30_000 };

/** Undefined: no answer came, or it broke off. */
export type Ending = { status: number; retryAfter: string | null } | undefined;

export interface NextStep {
  again: boolean;
  /** Before the next attempt. */
  pauseMs: number;
  /** The service has too much to do, so that every call of this client has to pause. */
  together: boolean;
}

/** Too many requests, and the service's own way to say that it is not able just now. */
const BUSY = new Set([429, 503]);
/** A proxy that got no answer. */
const LOST = new Set([502, 504]);

/** @param random from 0 to below 1 @param tried attempts so far */
export function decideNext(
  ending: Ending,
  tried: number,
  { policy, random, nowMs }: { policy: RetryPolicy; random: () => number; nowMs: number },
): NextStep {
  const together = ending !== undefined && BUSY.has(ending.status);
  const passes = ending === undefined || together || LOST.has(ending.status);
  if (!passes) return { again: false, pauseMs: 0, together: false };
  // Full jitter: clients that failed together come back apart, also those that were told the same Retry-After.
  const jitterMs = random() * Math.min(policy.longestMs, policy.baseMs * 2 ** (tried - 1));
  const toldMs = retryAfterMs(ending?.retryAfter ?? null, nowMs);
  const mostToldMs = policy.longestMs * 10;
  return {
    again: tried < policy.tries && toldMs <= mostToldMs,
    pauseMs: Math.min(toldMs, mostToldMs) + jitterMs,
    together,
  };
}

/** Seconds or an HTTP date; 0 when it says nothing. */
function retryAfterMs(header: string | null, nowMs: number): number {
  if (header === null) return 0;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? 0 : Math.max(0, ms);
}
