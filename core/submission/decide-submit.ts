/** What to do next with a submission: from its row and the clock, and after a call of SubmitJob. */
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

export type SubmitDecision =
  | { do: 'call' }
  | { do: 'find' }
  | { do: 'wait'; waitMs: number }
  | { do: 'nothing' };

/**
 * A call whose answer never came is looked for by its job name, but only once it can no longer be
 * under way and Batch's listings have settled. Until then no worker calls again.
 */
export function decideSubmit(
  { state, calledMs }: SubmissionFacts,
  policy: SubmitPolicy,
  nowMs: number,
): SubmitDecision {
  if (state === 'packed') return { do: 'call' };
  if (state !== 'calling') return { do: 'nothing' };
  const waitMs = (calledMs ?? 0) + policy.callTimeoutMs + policy.settleMs - nowMs;
  return waitMs > 0 ? { do: 'wait', waitMs } : { do: 'find' };
}

/** Batch did not take the job, or did not say whether it did. */
export type Unaccepted =
  | { is: 'refused'; message: string }
  | { is: 'try-later'; because: 'throttled' | 'not-sent' | 'not-known'; message: string }
  | { is: 'ambiguous'; message: string };

export type AfterCallDecision =
  /** The answer is in doubt: the next look at the submission finds out. */
  | { do: 'wait'; waitMs: number }
  | { do: 'fail'; message: string }
  /** `forgetRevision`: the job definition was deregistered elsewhere and is registered again. */
  | { do: 'call-again'; waitMs: number; forgetRevision: boolean };

/** After a throttled call, or one that names what Batch does not know yet. */
const CALL_AGAIN_MS = 1000;
/**
 * Batch is eventually consistent about new definitions and queues. What it does not know by then
 * does not exist.
 */
const UNKNOWN_AFTER_MS = 120_000;

/** @param ageMs of the submission */
export function decideAfterCall(
  answer: Unaccepted,
  ageMs: number,
  { callTimeoutMs, settleMs }: SubmitPolicy,
): AfterCallDecision {
  if (answer.is === 'ambiguous') return { do: 'wait', waitMs: callTimeoutMs + settleMs };
  if (answer.is === 'refused') return { do: 'fail', message: answer.message };
  const unknown = answer.because === 'not-known';
  if (unknown && ageMs > UNKNOWN_AFTER_MS) return { do: 'fail', message: answer.message };
  return {
    do: 'call-again',
    waitMs: CALL_AGAIN_MS,
    forgetRevision: unknown && ageMs > settleMs && /job ?definition/i.test(answer.message),
  };
}
