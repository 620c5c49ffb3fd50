/** Decides what follows an attempt; send.ts acts on the decision. */

export interface RetryPolicy {
  /** Attempts of one call, including the first. */
  tries: number;
  /** Upper limit of the random pause before the second attempt; it doubles with each attempt. */
  baseMs: number;
  /**
   * The longest of these pauses. If Retry-After is more than ten times as long, the call fails at
   * once.
   */
  longestMs: number;
}

/**
 * The pauses add up to half a minute on average and a minute at most: a service that is replaced is
 * back by then.
 */
export const defaultPolicy: RetryPolicy = { tries: 8, baseMs: 500, longestMs: 30_000 };

/** Undefined if no answer came, or if it broke off. */
export type Ending = { status: number; retryAfter: string | null } | undefined;

export interface NextStep {
  again: boolean;
  /** Before the next attempt. */
  pauseMs: number;
  /** The service is overloaded, so every call of this client has to pause. */
  together: boolean;
}

/** Too many requests, or the service is temporarily unavailable. */
const BUSY = new Set([429, 503]);
/** A proxy got no answer from the service. */
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
  // Full jitter: clients that failed together retry at different times, even if they got the same
  // Retry-After.
  const jitterMs = random() * Math.min(policy.longestMs, policy.baseMs * 2 ** (tried - 1));
  const toldMs = retryAfterMs(ending?.retryAfter ?? null, nowMs);
  const mostToldMs = policy.longestMs * 10;
  return {
    again: tried < policy.tries && toldMs <= mostToldMs,
    pauseMs: Math.min(toldMs, mostToldMs) + jitterMs,
    together,
  };
}

/** Parses seconds or an HTTP date; 0 if there is neither. */
function retryAfterMs(header: string | null, nowMs: number): number {
  if (header === null) return 0;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? 0 : Math.max(0, ms);
}
