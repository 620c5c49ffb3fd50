/**
 * The retry rule: from what was seen of an attempt to what becomes of its task. The task goes on to
 * finalize, runs again within its budgets, or fails.
 */
import { stagerExit } from '../container/container.ts';
import type { StoredRecord } from '../result/result.ts';
import {
  classifyJob,
  describeJob,
  isTransientReason,
  type EndedJob,
  type JobFailureKind,
} from './batch-reasons.ts';
import { failureOf, type Failure } from './failures.ts';

/** What is known of one attempt: its own record, what Batch says, or both. */
export interface SeenAttempt {
  result?: StoredRecord;
  job?: EndedJob;
}

/** How many times a task was retried, for each reason. */
export interface RetryState {
  hostLosses: number;
  memoryGrowths: number;
  /** Transient errors: a registry or S3 did not answer. */
  transientFailures: number;
}

export interface RetryPolicy {
  hostLossTries: number;
  memoryGrowthTries: number;
  transientTries: number;
}

export const retryReasons = ['host-lost', 'out-of-memory', 'transient'] as const;
export type RetryReason = (typeof retryReasons)[number];

export type RetryDecision =
  | { do: 'finalize'; result: StoredRecord }
  | { do: 'again'; because: RetryReason; reason: string }
  | { do: 'fail'; failure: Failure; exitCode?: number }
  /** The job belongs to a twin that came first: look for the owner. */
  | { do: 'find-owner' }
  | { do: 'wait' };

/** 128 + SIGKILL: how a command ends when the kernel kills it because memory ran out. */
const KILLED = 137;

/**
 * A result record is the truth about an attempt whatever Batch says: it is the container's last
 * act, so an attempt that has one ran to its end, even if its host was lost right after. Only of a
 * killed command does Batch know more: whether it ran out of memory.
 */
export function decideRetry(
  { result, job }: SeenAttempt,
  state: RetryState,
  policy: RetryPolicy,
): RetryDecision {
  if (result) {
    const killed = result.executors.some(({ exitCode }) => exitCode === KILLED);
    if (!killed || (job && classifyJob(job) !== 'out-of-memory'))
      return decideWithRecord(result, state, policy);
  }
  return job ? decideWithoutRecord(job, state, policy) : { do: 'wait' };
}

/** Files that could not be moved for a transient reason are retried; a failed command is not. */
function decideWithRecord(
  result: StoredRecord,
  state: RetryState,
  policy: RetryPolicy,
): RetryDecision {
  const transient =
    result.error?.transient === true && result.executors.every(({ exitCode }) => exitCode === 0);
  if (transient && result.error && state.transientFailures < policy.transientTries)
    return { do: 'again', because: 'transient', reason: result.error.message };
  return { do: 'finalize', result };
}

function decideWithoutRecord(job: EndedJob, state: RetryState, policy: RetryPolicy): RetryDecision {
  if (job.exitCode === stagerExit.fenced) return { do: 'find-owner' };
  const kind = classifyJob(job);
  const reason = describeJob(job);
  if (kind === 'host-lost' && state.hostLosses < policy.hostLossTries)
    return { do: 'again', because: kind, reason };
  if (kind === 'out-of-memory' && state.memoryGrowths < policy.memoryGrowthTries)
    return { do: 'again', because: kind, reason };
  if (
    kind === 'image-unavailable' &&
    isTransientReason(reason) &&
    state.transientFailures < policy.transientTries
  )
    return { do: 'again', because: 'transient', reason };
  return {
    do: 'fail',
    failure: failureOf(kind, `${FACTS[kind]}: ${reason}.`),
    ...(job.exitCode === undefined ? {} : { exitCode: job.exitCode }),
  };
}

const FACTS: Record<JobFailureKind, string> = {
  'host-lost': 'The host was lost too many times',
  'out-of-memory': 'The task ran out of memory',
  'timed-out': 'The task exceeded its time limit',
  'image-unavailable': 'The image could not be started',
  'script-unreadable': "The task's script could not be read",
  'result-missing': 'The container left no result record',
  'batch-refused': 'AWS Batch rejected the job',
};

/** For an attempt that says it was fenced although its own job owns the submission. */
export const failUnfenced: RetryDecision = {
  do: 'fail',
  exitCode: stagerExit.fenced,
  failure: failureOf(
    'result-missing',
    `${FACTS['result-missing']}: exit code ${stagerExit.fenced}.`,
  ),
};

/** The counts once a task is retried for this reason. */
export const afterRetry = (
  { hostLosses, memoryGrowths, transientFailures }: RetryState,
  because: RetryReason,
): RetryState => ({
  hostLosses: hostLosses + Number(because === 'host-lost'),
  memoryGrowths: memoryGrowths + Number(because === 'out-of-memory'),
  transientFailures: transientFailures + Number(because === 'transient'),
});
