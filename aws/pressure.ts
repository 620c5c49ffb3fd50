/**
 * S3 has no fixed limit to keep below: it says SlowDown (503) when a prefix gets too much. For a while after that all requests
 * of the fleet take turns of one budget, which halves at each such answer; else they cost no round trip to Redis.
 */
import type { Budget } from './budget.ts';
import { addNextToWire, codeOfAnswer } from './request-middleware.ts';

/** Each process turns cautious by itself at its first 503, and trusts again when none came for so long. */
const CAUTIOUS_MS = 60_000;

const TOO_MUCH = new Set(['503', '429']);

export function yieldToPressure(
  client: { middlewareStack: unknown },
  budget: Budget,
  nowMs: () => number = Date.now,
): void {
  let cautiousUntilMs = 0;
  addNextToWire(client, 'batchwellPressure', (next) => async (args) => {
    if (nowMs() < cautiousUntilMs) await budget.take();
    const output = await next(args);
    if (TOO_MUCH.has(codeOfAnswer(output))) {
      cautiousUntilMs = nowMs() + CAUTIOUS_MS;
      await budget.slowDown();
    }
    return output;
  });
}
