/** What to do next with a submission, from its row and the clock alone. */
import type { SubmissionState } from './states.ts';

export interface SubmissionFacts {
  state: SubmissionState;
  /** When SubmitJob was last called. */
  calledMs: number | null;
}

export interface SubmitPolicy {
  /** How long an answer to SubmitJob is awaited. */
  callTimeoutMs: number;
  /** How long a job just submitted may be missing from Batch's listings. */
  settleMs: number;
}

export type SubmitStep =
  | { do: 'call' }
  | { do: 'find' }
  | { do: 'wait'; waitMs: number }
  | { do: 'nothing' };

/**
 * A call whose answer never came is looked for by its name, but only once it can no longer be under way and Batch's
 * listings have settled; until then nobody calls again.
 */
export function decideSubmit(
  { state, calledMs }: SubmissionFacts,
  policy: SubmitPolicy,
  nowMs: number,
): SubmitStep {
  if (state === 'packed') return { do: 'call' };
  if (state !== 'calling') return { do: 'nothing' };
  const waitMs = (calledMs ?? 0) + policy.callTimeoutMs + policy.settleMs - nowMs;
  return waitMs > 0 ? { do: 'wait', waitMs } : { do: 'find' };
}
