/** Why Batch does not start a job, and when a caller is shown it. */

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
  /^[A-Z_]+:/.test(statusReason)
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

/** What the caller is shown from now on: a reason that Batch gives twice in a row. */
export function reasonToShow({ said, saidBefore, shown }: WaitingReasons): string | null {
  if (said === undefined) return null;
  return said === saidBefore ? said : shown;
}
