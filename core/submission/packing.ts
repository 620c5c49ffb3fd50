/** When ready attempts of one shape become a submission, and under which name. */

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

export interface NamedSubmission {
  /** Id of the installation. */
  installation: string;
  submissionKey: string;
}

/** What the names of all jobs of an installation begin with. */
const jobNamePrefix = (installation: string): string => `batchwell-${installation}-`;

/**
 * A Batch job name has up to 128 letters, digits, '-' and '_'. Looking one up ignores case, so it
 * is lower case.
 */
export const jobName = ({ installation, submissionKey }: NamedSubmission): string =>
  jobNamePrefix(installation) + submissionKey;

/**
 * The key of the submission that a job is named after; undefined for a job of another installation,
 * or of another program.
 */
export function submissionKeyOf(installation: string, name: string): string | undefined {
  const lower = name.toLowerCase();
  const prefix = jobNamePrefix(installation);
  const key = lower.startsWith(prefix) ? lower.slice(prefix.length) : '';
  return /^[0-9a-f]{32}$/.test(key) ? key : undefined;
}

/** The job ID of one attempt: a child of an array, or the single job itself. */
export const childJobId = (jobId: string, size: number, index: number): string =>
  size > 1 ? `${jobId}:${index}` : jobId;
