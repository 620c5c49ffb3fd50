/** Why Batch does not start a job, and when a caller is shown it. */

/** Batch begins its reasons with a word and a colon; a `blockedSentence` does not. */
const isOfBatch = (reason: string): boolean => /^[A-Z_]+:/.test(reason);

/**
 * Batch's reason why a job that should start does not: `MISCONFIGURATION:…`, `CAPACITY:…` and the
 * like. Reasons come minutes late and sometimes only for a moment, so none is ever acted on.
 */
export const waitingReasonOf = ({
  status,
  statusReason,
}: {
  status: string;
  statusReason?: string;
}): string | undefined =>
  (status === 'RUNNABLE' || status === 'PENDING') &&
  statusReason !== undefined &&
  isOfBatch(statusReason)
    ? statusReason
    : undefined;

export interface WaitingReasons {
  /** What Batch says now. */
  said: string | undefined;
  /** What it said at the look before. */
  saidBefore: string | undefined;
  /** What the caller is shown so far. */
  shown: string | null;
}

/** What an operator has to correct before the task can go on, as its caller is shown it. */
export const blockedSentence = (words: string): string =>
  `Batchwell cannot submit or watch the task: ${words.replace(/\.$/, '')}. ` +
  'It tries again until an operator has corrected this; you do not have to do anything.';

/** AWS's own words in a `blockedSentence`, or in Batch's reason. */
export const wordsIn = (reason: string): string =>
  /^Batchwell cannot submit or watch the task: (.*)\. It tries again until/s.exec(reason)?.[1] ??
  reason;

export const isBlockedSentence = (reason: string | null): reason is string =>
  reason !== null && !isOfBatch(reason);

export const waitingSentence = (reason: string): string =>
  isOfBatch(reason) ? `AWS Batch has not started the job: ${reason}` : reason;

/** `MISCONFIGURATION:…` needs somebody's help; every other reason of Batch ends with time. */
export const kindOfReason = (reason: string): 'misconfiguration' | 'capacity' =>
  reason.startsWith('MISCONFIGURATION') ? 'misconfiguration' : 'capacity';

/** What the caller is shown from now on: a reason that Batch gives twice in a row. */
export function reasonToShow({ said, saidBefore, shown }: WaitingReasons): string | null {
  if (said === undefined) return null;
  return said === saidBefore ? said : shown;
}
