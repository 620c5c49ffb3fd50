/** When ready attempts of one shape become a submission, and under which name. */
import { sha256 } from '../ids.ts';

export interface Ready {
  /** How many attempts are ready; at most `arraySize` are counted. */
  count: number;
  /** When the first and the last of them became ready, epoch ms. */
  oldestMs: number;
  newestMs: number;
  /** When the first of those that pause becomes ready; absent where none pauses. */
  laterMs?: number;
}

export interface PackPolicy {
  arraySize: number;
  idleMs: number;
  longestMs: number;
}

export type PackDecision = { do: 'pack' } | { do: 'wait'; waitMs: number } | { do: 'nothing' };

/** A message that waits for a pause to end looks again this soon: others may have come meanwhile. */
const PAUSE_LOOK_MS = 1000;

/**
 * Packs a full array at once, and the rest when no attempt has come for a while. The wait lets
 * single POSTs share one SubmitJob; `longestMs` limits the delay of the first of them.
 */
export function decidePack(ready: Ready, policy: PackPolicy, nowMs: number): PackDecision {
  if (ready.count === 0)
    return ready.laterMs === undefined
      ? { do: 'nothing' }
      : { do: 'wait', waitMs: Math.min(PAUSE_LOOK_MS, Math.max(1, ready.laterMs - nowMs)) };
  if (ready.count >= policy.arraySize) return { do: 'pack' };
  const idleLeftMs = ready.newestMs + policy.idleMs - nowMs;
  const longestLeftMs = ready.oldestMs + policy.longestMs - nowMs;
  const waitMs = Math.min(idleLeftMs, longestLeftMs);
  return waitMs <= 0 ? { do: 'pack' } : { do: 'wait', waitMs };
}

export interface PackedAttempt {
  taskId: number;
  number: number;
}

/**
 * A digest of what is submitted: packing the same attempts twice gives the same key. 32 hex digits.
 */
export const submissionKey = (attempts: readonly PackedAttempt[]): string =>
  sha256(attempts.map(({ taskId, number }) => `${taskId}.${number}`).join(' '))
    .toString('hex')
    .slice(0, 32);

/**
 * A Batch job name has up to 128 letters, digits, '-' and '_'. Looking one up ignores case, so it
 * is lower case.
 */
export const jobName = (key: string): string => `batchwell-${key}`;

/** The key of the submission that a job is named after; undefined for a job that is not ours. */
export const submissionKeyOf = (name: string): string | undefined =>
  /^batchwell-([0-9a-f]{32})$/i.exec(name)?.[1]?.toLowerCase();

/** The job ID of one attempt: a child of an array, or the single job itself. */
export const childJobId = (jobId: string, size: number, index: number): string =>
  size > 1 ? `${jobId}:${index}` : jobId;
