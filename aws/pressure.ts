/**
 * S3 has no fixed limit: it answers SlowDown (503) when a prefix gets too many requests. For a
 * while after that, the requests wait for the budget of the fleet, which halves at each such
 * answer. At other times they need no round trip to Redis.
 */
import type { Budget } from './budget.ts';
import { addNextToWire, codeOfAnswer } from './request-middleware.ts';

/** How long a process uses the budget after its last 503. Each process decides for itself. */
const CAUTIOUS_MS = 60_000;

const TOO_MUCH = new Set(['503', '429']);

export function yieldToPressure(
  client: { middlewareStack: unknown },
  budget: Budget,
  nowMs: () => number = () => performance.now(),
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
