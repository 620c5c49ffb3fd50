/**
 * How an attempt ends. `lost` means the fault of a host, a registry or S3; it does not count as a
 * failure of the task.
 */
import type { Place } from '../places.ts';
import type { RetryDecision } from './decide-retry.ts';

export const attemptOutcomes = ['succeeded', 'failed', 'lost', 'cancelled'] as const;
export type AttemptOutcome = (typeof attemptOutcomes)[number];

/** @param place where the attempt's task is */
export function outcomeOf(place: Place, decision: RetryDecision): AttemptOutcome {
  if (place === 'cancelled') return 'cancelled';
  if (decision.do === 'again') return decision.because === 'out-of-memory' ? 'failed' : 'lost';
  return decision.do === 'finalize' &&
    !decision.result.error &&
    decision.result.executors.every(({ exitCode }) => exitCode === 0)
    ? 'succeeded'
    : 'failed';
}
