/** What to do next with a submission: from its row and the clock, and after a call of SubmitJob. */
import type { AwsAnswer } from './batch-answer.ts';
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

export interface AnswerPolicy extends SubmitPolicy {
  /** How long Batch may take to know a job definition that was just registered. */
  definitionLagMs: number;
  /** How long a submission waits while AWS denies what it needs; 0 for without end. */
  deniedWaitMs: number;
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
export interface Unaccepted {
  is: 'refused' | 'try-later' | 'ambiguous';
  because: AwsAnswer;
  message: string;
}

/** What is known when an answer comes. */
export interface AnswerFacts {
  /** How many times SubmitJob was called. */
  calls: number;
  /** Since when AWS has denied the submission what it needs; null when it did not. */
  blockedForMs: number | null;
  definition: {
    /** name:revision */
    revision: string;
    /** Whether the call named this revision, and not one that was replaced since. */
    isCurrent: boolean;
    registeredForMs: number;
    /** How many times it was registered since Batch last took a job with it. */
    registrations: number;
    /** Since when Batch does not know it, although it did before; null while it does. */
    unknownForMs: number | null;
  };
}

/**
 * `forget`: the revision is registered again. `doubt`: Batch knew it before; a second look decides.
 */
type DefinitionNews = 'keep' | 'forget' | 'doubt';

export type BlockReason = Extract<AwsAnswer, 'denied' | 'queue-off' | 'not-sent'>;

export type AfterCallDecision =
  /** The answer is in doubt: the next look at the submission finds out. */
  | { do: 'wait'; waitMs: number }
  | { do: 'fail'; message: string }
  /** AWS denies it: shown on its tasks, and tried again until an operator corrects it. */
  | { do: 'block'; because: BlockReason; waitMs: number }
  | { do: 'give-up'; message: string }
  | { do: 'call-again'; waitMs: number; definition: DefinitionNews };

/** After a throttled call. */
const CALL_AGAIN_MS = 1000;
/** A queue that Batch does not know at this many calls, each later than the last, does not exist. */
const QUEUE_CALLS = 4;
/** A new definition may be known to one call and for this long not to the next ones. */
const FLAPPING_MS = 30_000;
/** A definition that was registered this many times and is still not known never will be. */
const MOST_REGISTRATIONS = 3;

/** The wait grows with what was waited before. */
const growing = (waitedMs: number, [least, most]: readonly [number, number]): number =>
  Math.round(Math.min(most, Math.max(least, waitedMs)));

const blockedWaitMs = (blockedForMs: number | null): number =>
  growing(blockedForMs ?? 0, [1000, 60_000]);

/** What an operator has to correct: no task fails of it before `deniedWaitMs`. */
export function decideBlocked(
  because: BlockReason,
  { blockedForMs, message }: { blockedForMs: number | null; message: string },
  { deniedWaitMs }: Pick<AnswerPolicy, 'deniedWaitMs'>,
): Extract<AfterCallDecision, { do: 'block' | 'give-up' }> {
  return deniedWaitMs > 0 && (blockedForMs ?? 0) > deniedWaitMs
    ? { do: 'give-up', message }
    : { do: 'block', because, waitMs: blockedWaitMs(blockedForMs) };
}

export function decideAfterCall(
  { because, message }: Unaccepted,
  facts: AnswerFacts,
  policy: AnswerPolicy,
): AfterCallDecision {
  switch (because) {
    case 'ambiguous':
      return { do: 'wait', waitMs: policy.callTimeoutMs + policy.settleMs };
    case 'refused':
      return { do: 'fail', message };
    case 'throttled':
      return { do: 'call-again', waitMs: CALL_AGAIN_MS, definition: 'keep' };
    case 'not-sent':
      return { do: 'block', because, waitMs: blockedWaitMs(facts.blockedForMs) };
    case 'denied':
    case 'queue-off':
      return decideBlocked(because, { ...facts, message }, policy);
    case 'queue-unknown':
      return facts.calls >= QUEUE_CALLS
        ? { do: 'fail', message }
        : { do: 'call-again', waitMs: CALL_AGAIN_MS * 2 ** (facts.calls - 1), definition: 'keep' };
    case 'definition-inactive':
      return facts.definition.isCurrent
        ? registerAgain(message, facts.definition, CALL_AGAIN_MS)
        : { do: 'call-again', waitMs: CALL_AGAIN_MS, definition: 'keep' };
    case 'definition-unknown':
      return decideUnknownDefinition(message, facts.definition, policy);
  }
}

/**
 * Batch is eventually consistent: it shows a new definition late, and to one call before another.
 * So a new one is waited for, counted from its registration. One that Batch took a job with before
 * was deregistered, unless Batch knows it again at the next call.
 */
function decideUnknownDefinition(
  message: string,
  definition: AnswerFacts['definition'],
  { definitionLagMs, settleMs }: AnswerPolicy,
): AfterCallDecision {
  const { registeredForMs, registrations, unknownForMs, isCurrent } = definition;
  const wasKnown = registrations === 0;
  const waitMs = growing(unknownForMs ?? (wasKnown ? 0 : registeredForMs / 4), [500, 10_000]);
  const again = (news: DefinitionNews): AfterCallDecision => ({
    do: 'call-again',
    waitMs,
    definition: news,
  });
  if (!isCurrent) return again('keep');
  if (wasKnown && unknownForMs === null) return again('doubt');
  const isNew = registeredForMs <= definitionLagMs;
  const unknownMostMs = isNew ? Math.max(settleMs, FLAPPING_MS) : settleMs;
  const isOver = wasKnown ? (unknownForMs ?? 0) > unknownMostMs : !isNew;
  return isOver ? registerAgain(message, definition, waitMs) : again('keep');
}

function registerAgain(
  message: string,
  { revision, registrations }: AnswerFacts['definition'],
  waitMs: number,
): AfterCallDecision {
  if (registrations < MOST_REGISTRATIONS) return { do: 'call-again', waitMs, definition: 'forget' };
  return {
    do: 'fail',
    message:
      `${message.replace(/\.$/, '')}. Its job definition was registered ${registrations} times, ` +
      `last as ${revision}, and Batch took no job with any of them`,
  };
}
