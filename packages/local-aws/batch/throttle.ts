/** A token bucket, like the one AWS keeps per account and region. */

export interface ThrottleSetting {
  /** Requests per second in the long run. */
  perSecond: number;
  /** Requests admitted at once after an idle time. */
  burst: number;
  /** The operations that share the bucket; all when absent. AWS fixes 50/s for SubmitJob. */
  operations?: readonly string[];
}

export interface Throttle {
  /** Takes a token. False when there is none, and the request is refused with 429. */
  admit(operation: string, nowMs: number): boolean;
}

export const AWS_THROTTLE: ThrottleSetting = {
  perSecond: 50,
  burst: 50,
  operations: ['SubmitJob'],
};

export function createThrottle(setting: ThrottleSetting | 'off', startMs: number): Throttle {
  if (setting === 'off') return { admit: () => true };
  const { perSecond, burst, operations } = setting;
  let tokens = burst;
  let filledAtMs = startMs;
  return {
    admit(operation, nowMs) {
      if (operations !== undefined && !operations.includes(operation)) return true;
      tokens = Math.min(burst, tokens + (Math.max(0, nowMs - filledAtMs) * perSecond) / 1000);
      filledAtMs = nowMs;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
