/**
 * From what was seen of an attempt to what becomes of its task: pure decisions of the stages poll and finalize.
 */
import { stagerExit } from '../container/container.ts';
import { failureKinds, type Failure, type FailureKind } from './failures.ts';
import type { ResultRecord } from '../result/result.ts';

/** What Batch says of a job that has ended. */
export interface EndedJob {
  status: 'SUCCEEDED' | 'FAILED';
  exitCode?: number;
  /** The container's reason, such as `OutOfMemoryError: Container killed due to memory usage`. */
  reason?: string;
  /** The job's reason, such as `Host EC2 (instance i-…) terminated.` */
  statusReason?: string;
}

/** What is known of one attempt: its own record, Batch's word, or both. */
export interface SeenAttempt {
  result?: ResultRecord;
  job?: EndedJob;
}

export interface RetryState {
  hostLosses: number;
  memoryGrowths: number;
  /** Ends by trouble that passes by itself: a registry or S3 that did not answer. */
  transientFailures: number;
}

export interface RetryPolicy {
  hostLossTries: number;
  memoryGrowthTries: number;
  transientTries: number;
}

export const retryReasons = ['host-lost', 'out-of-memory', 'transient'] as const;
export type RetryReason = (typeof retryReasons)[number];

export type PollDecision =
  | { do: 'finalize'; result: ResultRecord }
  | { do: 'again'; because: RetryReason; reason: string }
  | { do: 'fail'; failure: Failure; exitCode?: number }
  /** The job belongs to a twin that came first: look for the owner. */
  | { do: 'find-owner' }
  | { do: 'wait' };

/** 128 + SIGKILL: what a command's end looks like when the kernel killed it for want of memory. */
const KILLED = 137;

/**
 * A result record is the truth about an attempt whatever Batch says: it is the container's last act, so an attempt
 * that has one has run to its end, even if its host was lost right after. Only of a killed command Batch knows more:
 * whether it was for want of memory.
 */
export function decidePoll(
  seen: SeenAttempt,
  state: RetryState,
  policy: RetryPolicy,
): PollDecision {
  const { job } = seen;
  if (seen.result) {
    const killed = seen.result.executors.some(({ exitCode }) => exitCode === KILLED);
    if (killed && !job) return { do: 'wait' };
    if (!killed || (job && classify(job) !== 'out-of-memory'))
      return decideWithRecord(seen.result, state, policy);
  }
  return job ? decideWithoutRecord(job, state, policy) : { do: 'wait' };
}

/** Files that could not be moved for a passing reason are worth another try; a command that failed by itself is not. */
function decideWithRecord(
  result: ResultRecord,
  state: RetryState,
  policy: RetryPolicy,
): PollDecision {
  const passing =
    result.error?.transient === true && result.executors.every(({ exitCode }) => exitCode === 0);
  if (passing && result.error && state.transientFailures < policy.transientTries)
    return { do: 'again', because: 'transient', reason: result.error.message };
  return { do: 'finalize', result };
}

/** A registry's words for trouble that passes; whatever else it says (not found, denied) stays so. */
const PASSING =
  /timeout|timed out|deadline exceeded|\bEOF\b|connection (reset|refused)|reset by peer|temporar|too ?many ?requests|rate limit|service unavailable|internal server error|bad gateway|(status|code|http)[^0-9]{0,12}(429|50[0234])\b/i;

function decideWithoutRecord(job: EndedJob, state: RetryState, policy: RetryPolicy): PollDecision {
  if (job.exitCode === stagerExit.fenced) return { do: 'find-owner' };
  const kind = classify(job);
  const reason = describe(job);
  if (kind === 'host-lost' && state.hostLosses < policy.hostLossTries)
    return { do: 'again', because: kind, reason };
  if (kind === 'out-of-memory' && state.memoryGrowths < policy.memoryGrowthTries)
    return { do: 'again', because: kind, reason };
  if (
    kind === 'image-unavailable' &&
    PASSING.test(reason) &&
    state.transientFailures < policy.transientTries
  )
    return { do: 'again', because: 'transient', reason };
  return {
    do: 'fail',
    failure: {
      kind,
      sentence: `${SENTENCES[kind] ?? 'The container ended badly'}: ${reason}. ${failureKinds[kind].advice}`,
    },
    ...(job.exitCode === undefined ? {} : { exitCode: job.exitCode }),
  };
}

/** Of an attempt that says it was fenced although its own job owns the submission. */
export const failUnfenced: PollDecision = {
  do: 'fail',
  exitCode: stagerExit.fenced,
  failure: {
    kind: 'result-missing',
    sentence: `Its container left no result record: exit code ${stagerExit.fenced}. ${failureKinds['result-missing'].advice}`,
  },
};

const SENTENCES: Partial<Record<FailureKind, string>> = {
  'host-lost': 'Its host was lost too often',
  'out-of-memory': 'It needed more memory than it had',
  'timed-out': 'It ran longer than it may',
  'image-unavailable': 'Its image could not be started',
  'script-unreadable': 'Its script could not be read',
  'result-missing': 'Its container left no result record',
};

/** Patterns of Batch's reasons, the first that fits; source: AWS Batch user guide and users' issue threads. */
const REASONS: readonly [RegExp, FailureKind][] = [
  [/^Host EC2/i, 'host-lost'],
  [/OutOfMemory/i, 'out-of-memory'],
  [/exceeded timeout/i, 'timed-out'],
  [/CannotPull|CannotStart|CannotCreate|CannotInspect|ImagePull/i, 'image-unavailable'],
  [/Container Overrides length/i, 'batch-refused'],
];

function classify(job: EndedJob): FailureKind {
  const texts = [job.statusReason ?? '', job.reason ?? ''];
  const found = REASONS.find(([pattern]) => texts.some((text) => pattern.test(text)));
  if (found) return found[1];
  if (job.exitCode === stagerExit.script) return 'script-unreadable';
  return 'result-missing';
}

function describe(job: EndedJob): string {
  const parts = [
    job.statusReason,
    job.reason,
    job.exitCode === undefined ? undefined : `exit code ${job.exitCode}`,
  ];
  const words = parts
    .filter((part): part is string => part !== undefined && part !== '')
    .map((part) => part.replace(/\.$/, ''));
  return words.length > 0 ? [...new Set(words)].join('; ') : `Batch says ${job.status}`;
}

export type FinishDecision =
  | { do: 'finish'; warnings: string[] }
  | { do: 'fail'; failure: Failure };

export interface FinishFacts {
  result: ResultRecord;
  /** Of each executor, whether its failure is ignored. */
  ignoreErrors: readonly boolean[];
  /** Container paths of the declared outputs. */
  outputPaths: readonly string[];
  missingOutputs: 'warn' | 'fail';
}

/** Whether an attempt that ran to its end ended well. The executor's own failure comes before everything else. */
export function decideFinish({
  result,
  ignoreErrors,
  outputPaths,
  missingOutputs,
}: FinishFacts): FinishDecision {
  if (result.error?.kind === 'input' || result.error?.kind === 'script') {
    const kind = result.error.kind === 'input' ? 'input-unreadable' : 'script-unreadable';
    return {
      do: 'fail',
      failure: { kind, sentence: `${result.error.message} ${failureKinds[kind].advice}` },
    };
  }
  const failed = result.executors.findIndex(
    (executor, position) => executor.exitCode !== 0 && !ignoreErrors[position],
  );
  const exitCode = result.executors[failed]?.exitCode;
  if (exitCode !== undefined) {
    const which = ignoreErrors.length > 1 ? `Executor ${failed}` : 'The command';
    return {
      do: 'fail',
      failure: {
        kind: 'executor-failed',
        sentence: `${which} ended with exit code ${exitCode}${signalOf(exitCode)}. ${failureKinds['executor-failed'].advice}`,
      },
    };
  }
  if (result.error) {
    return {
      do: 'fail',
      failure: {
        kind: 'output-unwritable',
        sentence: `${result.error.message} ${failureKinds['output-unwritable'].advice}`,
      },
    };
  }
  const missing = result.missingOutputs.map(
    (position) => outputPaths[position] ?? `output ${position}`,
  );
  if (missing.length > 0 && missingOutputs === 'fail') {
    return {
      do: 'fail',
      failure: {
        kind: 'output-missing',
        sentence: `Declared but not written: ${missing.join(', ')}. ${failureKinds['output-missing'].advice}`,
      },
    };
  }
  return {
    do: 'finish',
    warnings: missing.map((path) => `The declared output ${path} was not written.`),
  };
}

const FIRST_SIGNAL_CODE = 128;
const SIGNALS: Record<number, string> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  6: 'SIGABRT',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  15: 'SIGTERM',
};

function signalOf(exitCode: number): string {
  const name = SIGNALS[exitCode - FIRST_SIGNAL_CODE];
  return name === undefined ? '' : ` (${name})`;
}
