/**
 * The retry rule: from what was seen of an attempt to what becomes of its task. The task goes on to
 * finalize, runs again within its budgets, or fails.
 */
import { stagerExit } from '../container/container.ts';
import type { StoredRecord } from '../result/result.ts';
import {
  classifyJob,
  describeJob,
  KILLED,
  type EndedJob,
  type JobFailureKind,
  type JobVerdict,
} from './batch-reasons.ts';
import type { TaskParameter } from './container-reasons.ts';
import { failureOf, type Failure } from './failures.ts';
import { isNamedByTask, type InstallationArns } from './named-by-task.ts';

/** What is known of one attempt: its own record, what Batch says, or both. */
export interface SeenAttempt {
  result?: StoredRecord;
  /** Its container left a record, and somebody else overwrote the object. */
  isRecordLost?: boolean;
  job?: EndedJob;
}

/** How many times a task was retried, for each reason. */
export interface RetryState {
  hostLosses: number;
  /** A host could not start the container, or killed it. */
  hostFaults: number;
  memoryGrowths: number;
  /** Transient errors: a registry or S3 did not answer. */
  transientFailures: number;
}

export interface RetryPolicy {
  hostLossTries: number;
  hostFaultTries: number;
  memoryGrowthTries: number;
  transientTries: number;
  /** An attempt that fails over another ARN fails over its own choice. */
  installationArns: InstallationArns;
}

export const retryReasons = ['host-lost', 'host-fault', 'out-of-memory', 'transient'] as const;
export type RetryReason = (typeof retryReasons)[number];

export type RetryDecision =
  | { do: 'finalize'; result: StoredRecord }
  | { do: 'again'; because: RetryReason; reason: string }
  | { do: 'fail'; failure: Failure; exitCode?: number }
  /** The job belongs to a twin that came first: look for the owner. */
  | { do: 'find-owner' }
  | { do: 'wait' };

/**
 * A result record is the truth about an attempt whatever Batch says: it is the container's last
 * act, so an attempt that has one ran to its end, even if its host was lost right after. Only of a
 * killed command does Batch know more: whether it ran out of memory.
 */
export function decideRetry(
  { result, isRecordLost = false, job }: SeenAttempt,
  state: RetryState,
  policy: RetryPolicy,
): RetryDecision {
  if (result) {
    const killed = result.executors.some(({ exitCode }) => exitCode === KILLED);
    if (!killed || (job && classifyJob(job).kind !== 'out-of-memory'))
      return decideWithRecord(result, state, policy);
  }
  if (!job) return { do: 'wait' };
  if (isRecordLost && leftOf('transient', state, policy) > 0)
    return { do: 'again', because: 'transient', reason: RECORD_LOST };
  return decideWithoutRecord(job, state, policy);
}

/** Files that could not be moved for a transient reason are retried; a failed command is not. */
function decideWithRecord(
  result: StoredRecord,
  state: RetryState,
  policy: RetryPolicy,
): RetryDecision {
  const transient =
    result.error?.transient === true && result.executors.every(({ exitCode }) => exitCode === 0);
  if (transient && result.error && leftOf('transient', state, policy) > 0)
    return { do: 'again', because: 'transient', reason: result.error.message };
  return { do: 'finalize', result };
}

function decideWithoutRecord(job: EndedJob, state: RetryState, policy: RetryPolicy): RetryDecision {
  if (job.exitCode === stagerExit.fenced) return { do: 'find-owner' };
  const verdict = classifyJob(job);
  const words = describeJob(job);
  const because = retryReasonOf(verdict);
  if (because && leftOf(because, state, policy) > 0)
    return {
      do: 'again',
      because,
      reason: because === 'host-fault' ? `${HOST_FAILED}: ${words}. ${RETRIED}` : words,
    };
  const { kind, fact = factOf(kind, state), advice } = asNamed(verdict, words, policy);
  return {
    do: 'fail',
    failure: failureOf(kind, `${fact}: ${words}.`, advice),
    ...(job.exitCode === undefined ? {} : { exitCode: job.exitCode }),
  };
}

/** What a task named wrongly is the fault of the task, not of the hosts. */
function asNamed(
  verdict: JobVerdict,
  words: string,
  { installationArns }: RetryPolicy,
): JobVerdict {
  const { parameter } = verdict;
  if (!parameter || !isNamedByTask(words, installationArns[parameter])) return verdict;
  return { kind: 'request-refused', ...NAMED[parameter] };
}

const NAMED: Record<TaskParameter, { fact: string; advice: string }> = {
  job_role: {
    fact: 'The job_role of the task cannot be used',
    advice:
      'Correct job_role in backend_parameters: the role must exist, and its trust policy must allow ' +
      'ecs-tasks.amazonaws.com.',
  },
  secrets: {
    fact: 'A secret or login that the task names cannot be read',
    advice: 'Correct secrets or registry_credentials in backend_parameters.',
  },
};

/** Undefined for what a retry cannot fix. */
function retryReasonOf({ kind, transient }: JobVerdict): RetryReason | undefined {
  if (transient) return 'transient';
  return kind === 'host-lost' || kind === 'host-fault' || kind === 'out-of-memory'
    ? kind
    : undefined;
}

function leftOf(because: RetryReason, state: RetryState, policy: RetryPolicy): number {
  const left: Record<RetryReason, number> = {
    'host-lost': policy.hostLossTries - state.hostLosses,
    'host-fault': policy.hostFaultTries - state.hostFaults,
    'out-of-memory': policy.memoryGrowthTries - state.memoryGrowths,
    transient: policy.transientTries - state.transientFailures,
  };
  return left[because];
}

const RECORD_LOST =
  'The result record of the attempt is not what its container wrote: it was overwritten';
const HOST_FAILED = 'A host failed to run the task';
const RETRIED = 'Batchwell retries it; nothing is wrong with the task.';

const factOf = (kind: JobFailureKind, { hostFaults }: RetryState): string =>
  kind === 'host-fault' && hostFaults > 0
    ? `Hosts failed to run the task ${hostFaults + 1} times`
    : FACTS[kind];

const FACTS: Record<JobFailureKind, string> = {
  'host-lost': 'The host was lost too many times',
  'host-fault': HOST_FAILED,
  'out-of-memory': 'The task ran out of memory',
  'timed-out': 'The task exceeded its time limit',
  'image-unavailable': 'The image could not be started',
  'image-refused': 'The image could not be started',
  'request-refused':
    'AWS Batch ended the job because it did not start within the time limit of its queue',
  'script-unreadable': "The task's script could not be read",
  'result-missing': 'The container left no result record',
  misconfigured: 'The hosts are not set up to run the task',
  'not-started':
    'AWS Batch ended the job because it did not start within the time limit of its queue',
  'job-terminated': 'The job was ended in AWS Batch by someone else',
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

const LONGEST_PAUSE_MS = 60_000;

/**
 * A host that fails at once takes all the tasks that Batch has, and a service that throttles needs
 * time: each fault makes the task wait twice as long.
 * @param hostFaults how many there were, with the latest
 */
export const pauseAfterFault = (hostFaults: number, firstMs: number): number =>
  Math.min(LONGEST_PAUSE_MS, firstMs * 2 ** Math.max(0, hostFaults - 1));

/**
 * Batch retries a job in its queue after a host loss, so what the fleet sees as one loss is all that
 * the job was allowed there (BATCHWELL_SPOT_LOSSES): the next attempt is for an On-Demand queue,
 * where there is one.
 */
export const leavesSpot = ({ hostLosses }: Pick<RetryState, 'hostLosses'>): boolean =>
  hostLosses > 0;

/** The counts once a task is retried for this reason. */
export const afterRetry = (
  { hostLosses, hostFaults, memoryGrowths, transientFailures }: RetryState,
  because: RetryReason,
): RetryState => ({
  hostLosses: hostLosses + Number(because === 'host-lost'),
  hostFaults: hostFaults + Number(because === 'host-fault'),
  memoryGrowths: memoryGrowths + Number(because === 'out-of-memory'),
  transientFailures: transientFailures + Number(because === 'transient'),
});
