import { describe, expect, test } from 'vitest';
import { outcomeOf, type AttemptOutcome } from '../../core/retry/attempt-outcomes.ts';
import type { EndedJob } from '../../core/retry/batch-reasons.ts';
import {
  afterRetry,
  decideRetry,
  pauseAfterFault,
  type RetryDecision,
  type RetryReason,
} from '../../core/retry/decide-retry.ts';
import { failureKinds, failureOf, type FailureKind } from '../../core/retry/failures.ts';
import type { ResultRecord } from '../../core/result/result.ts';

const record = (change: Partial<ResultRecord> = {}): ResultRecord => ({
  startedMs: 1,
  endedMs: 3,
  executors: [{ exitCode: 0, startedMs: 1, endedMs: 2 }],
  outputs: [],
  missingOutputs: [],
  ...change,
});
const killed = record({ executors: [{ exitCode: 137, startedMs: 1, endedMs: 2 }] });
const fresh = { hostLosses: 0, hostFaults: 0, memoryGrowths: 0, transientFailures: 0 };
const policy = {
  hostLossTries: 2,
  hostFaultTries: 2,
  memoryGrowthTries: 1,
  transientTries: 1,
  installationArns: { job_role: [], secrets: [] },
};
const spot: EndedJob = { status: 'FAILED', statusReason: 'Host EC2 (instance i-0abc) terminated.' };
const memory: EndedJob = {
  status: 'FAILED',
  statusReason: 'Essential container in task exited',
  reason: 'OutOfMemoryError: Container killed due to memory usage',
  exitCode: 137,
};
const failure = (decision: RetryDecision) =>
  decision.do === 'fail' ? decision.failure : undefined;

describe('decideRetry', () => {
  test.each<[string, Parameters<typeof decideRetry>[0], RetryDecision]>([
    ['an attempt of which nothing is known yet waits', {}, { do: 'wait' }],
    [
      'an attempt with a record goes to finalize',
      { result: record() },
      { do: 'finalize', result: record() },
    ],
    [
      'a record of a failed command goes to finalize, which judges it',
      { result: record({ executors: [{ exitCode: 2, startedMs: 1, endedMs: 2 }] }) },
      {
        do: 'finalize',
        result: record({ executors: [{ exitCode: 2, startedMs: 1, endedMs: 2 }] }),
      },
    ],
    [
      'a record counts, whatever Batch says',
      { result: record(), job: spot },
      { do: 'finalize', result: record() },
    ],
    ['a killed command waits until Batch says why', { result: killed }, { do: 'wait' }],
    [
      'a killed command that did not run out of memory goes to finalize',
      { result: killed, job: { status: 'FAILED', exitCode: 137 } },
      { do: 'finalize', result: killed },
    ],
    [
      'a killed command that ran out of memory runs again',
      { result: killed, job: memory },
      {
        do: 'again',
        because: 'out-of-memory',
        reason:
          'Essential container in task exited; OutOfMemoryError: Container killed due to memory usage; exit code 137',
      },
    ],
    [
      'an attempt whose host was lost runs again',
      { job: spot },
      { do: 'again', because: 'host-lost', reason: 'Host EC2 (instance i-0abc) terminated' },
    ],
    [
      'an attempt that ran out of memory runs again',
      { job: memory },
      {
        do: 'again',
        because: 'out-of-memory',
        reason:
          'Essential container in task exited; OutOfMemoryError: Container killed due to memory usage; exit code 137',
      },
    ],
    [
      'a fenced attempt looks for the owner of its submission',
      { job: { status: 'FAILED', exitCode: 122 } },
      { do: 'find-owner' },
    ],
  ])('%s', (_, seen, expected) => {
    expect(decideRetry(seen, fresh, policy)).toEqual(expected);
  });

  test.each<[string, EndedJob, FailureKind, RegExp]>([
    [
      'a host that was lost too many times',
      spot,
      'host-lost',
      /^The host was lost too many times: Host EC2 \(instance i-0abc\) terminated\. /,
    ],
    [
      'a task that ran out of memory too many times',
      memory,
      'out-of-memory',
      /^The task ran out of memory: .*OutOfMemoryError/,
    ],
    [
      'a task over its time limit',
      { status: 'FAILED', statusReason: 'Job attempt duration exceeded timeout' },
      'timed-out',
      /^The task exceeded its time limit: Job attempt duration exceeded timeout\. /,
    ],
    [
      'an image that does not exist',
      {
        status: 'FAILED',
        statusReason: 'Task failed to start',
        reason: 'CannotPullContainerError: pull access denied for nothing',
      },
      'image-unavailable',
      /^The image could not be pulled: Task failed to start; CannotPullContainerError: pull access denied for nothing\. /,
    ],
    [
      'a command that does not exist',
      {
        status: 'FAILED',
        statusReason: 'Task failed to start',
        reason: 'CannotStartContainerError: no such file',
        exitCode: 127,
      },
      'image-refused',
      /exit code 127\. /,
    ],
    [
      'a job whose overrides are too long',
      { status: 'FAILED', statusReason: 'Container Overrides length must be at most 8192' },
      'batch-refused',
      /^AWS Batch rejected the job: Container Overrides length/,
    ],
    [
      'a script that cannot be read',
      { status: 'FAILED', exitCode: 123 },
      'script-unreadable',
      /^The task's script could not be read: exit code 123\. /,
    ],
    [
      'a container that left no record',
      { status: 'FAILED', exitCode: 139 },
      'result-missing',
      /^The container left no result record: exit code 139\. /,
    ],
    [
      'a job that ended without a reason',
      { status: 'FAILED' },
      'result-missing',
      /^The container left no result record: AWS Batch reports FAILED\. /,
    ],
  ])('%s fails the task with a sentence that says so', (_, job, kind, sentence) => {
    const decided = failure(
      decideRetry(
        { job },
        { hostLosses: 2, hostFaults: 2, memoryGrowths: 1, transientFailures: 1 },
        policy,
      ),
    );
    expect(decided?.kind).toBe(kind);
    expect(decided?.sentence).toMatch(sentence);
    const advice =
      kind === 'image-unavailable' || kind === 'image-refused'
        ? /Check .* image/
        : failureKinds[kind].advice;
    expect(decided?.sentence).toMatch(advice);
  });

  const slowS3 = record({
    executors: [],
    error: {
      kind: 'input',
      subject: 's3://b/k',
      message: 'Input 1 of 1 s3://b/k could not be read: SlowDown: HTTP 503',
      transient: true,
    },
  });

  test.each<[string, Parameters<typeof decideRetry>[0], RetryDecision['do']]>([
    ['an input that S3 does not serve for now', { result: slowS3 }, 'again'],
    [
      'an input that does not exist',
      {
        result: { ...slowS3, error: { kind: 'input', subject: 's3://b/k', message: 'NoSuchKey' } },
      },
      'finalize',
    ],
    [
      'a command that failed before its outputs could not be written',
      { result: { ...slowS3, executors: [{ exitCode: 1, startedMs: 1, endedMs: 2 }] } },
      'finalize',
    ],
    [
      'a registry that is slow',
      {
        job: {
          status: 'FAILED',
          statusReason: 'Task failed to start',
          reason:
            'CannotPullContainerError: Error response from daemon: Get https://registry/v2/: net/http: request canceled (Client.Timeout exceeded while awaiting headers)',
        },
      },
      'again',
    ],
    [
      'a registry that throttles',
      {
        job: {
          status: 'FAILED',
          reason:
            'CannotPullContainerError: toomanyrequests: You have reached your pull rate limit',
        },
      },
      'again',
    ],
    [
      'a registry that fails',
      {
        job: {
          status: 'FAILED',
          reason:
            'CannotPullContainerError: received unexpected HTTP status: 503 Service Unavailable',
        },
      },
      'again',
    ],
    [
      'an image whose manifest does not exist',
      {
        job: {
          status: 'FAILED',
          reason: 'CannotPullContainerError: manifest for x:500 not found: manifest unknown',
        },
      },
      'fail',
    ],
    [
      'an image that the hosts must not pull',
      {
        job: {
          status: 'FAILED',
          reason:
            'CannotPullContainerError: pull access denied for x, repository does not exist or may require authorization',
        },
      },
      'fail',
    ],
  ])('%s leads to: %s', (_, seen, expected) => {
    expect(decideRetry(seen, fresh, policy).do).toBe(expected);
  });

  test('an error that stays transient beyond its budget goes to finalize with what S3 said', () => {
    expect(decideRetry({ result: slowS3 }, { ...fresh, transientFailures: 1 }, policy)).toEqual({
      do: 'finalize',
      result: slowS3,
    });
  });

  test('an attempt whose record was overwritten runs again within the budget of transient errors', () => {
    const seen = { isRecordLost: true, job: { status: 'SUCCEEDED' as const, exitCode: 0 } };
    expect(decideRetry(seen, fresh, policy)).toMatchObject({ do: 'again', because: 'transient' });
    const spent = { ...fresh, transientFailures: policy.transientTries };
    expect(failure(decideRetry(seen, spent, policy))?.kind).toBe('result-missing');
    expect(decideRetry({ isRecordLost: true }, fresh, policy)).toEqual({ do: 'wait' });
  });

  test('each reason for a retry has a budget of its own', () => {
    expect(
      decideRetry({ job: spot }, { ...fresh, hostLosses: 1, memoryGrowths: 9 }, policy).do,
    ).toBe('again');
    expect(decideRetry({ job: memory }, { ...fresh, hostLosses: 9 }, policy).do).toBe('again');
    expect(
      decideRetry({ job: spot }, fresh, {
        hostLossTries: 0,
        hostFaultTries: 9,
        memoryGrowthTries: 9,
        transientTries: 9,
        installationArns: policy.installationArns,
      }).do,
    ).toBe('fail');
  });
});

test.each<[RetryReason, object]>([
  ['host-lost', { hostLosses: 3, hostFaults: 5, memoryGrowths: 4, transientFailures: 6 }],
  ['host-fault', { hostLosses: 2, hostFaults: 6, memoryGrowths: 4, transientFailures: 6 }],
  ['out-of-memory', { hostLosses: 2, hostFaults: 5, memoryGrowths: 5, transientFailures: 6 }],
  ['transient', { hostLosses: 2, hostFaults: 5, memoryGrowths: 4, transientFailures: 7 }],
])('a retry because of %s counts once, and only for that reason', (because, counted) => {
  const before = { hostLosses: 2, hostFaults: 5, memoryGrowths: 4, transientFailures: 6 };
  expect(afterRetry(before, because)).toEqual(counted);
});

test('each fault of a host makes the task wait twice as long, up to a minute', () => {
  expect([1, 2, 3, 6, 40].map((faults) => pauseAfterFault(faults, 2000))).toEqual([
    2000, 4000, 8000, 60_000, 60_000,
  ]);
  expect(pauseAfterFault(3, 0)).toBe(0);
});

const again = (because: RetryReason): RetryDecision => ({ do: 'again', because, reason: 'x' });

test.each<[what: string, RetryDecision, AttemptOutcome]>([
  ['that is retried after a host loss', again('host-lost'), 'lost'],
  ['that is retried after a fault of the host', again('host-fault'), 'lost'],
  ['that is retried after a transient error', again('transient'), 'lost'],
  ['that ran out of memory', again('out-of-memory'), 'failed'],
  ['whose record says all is well', { do: 'finalize', result: record() }, 'succeeded'],
  ['whose command was killed', { do: 'finalize', result: killed }, 'failed'],
  [
    'whose output could not be written',
    {
      do: 'finalize',
      result: record({ error: { kind: 'output', subject: 's3://b/k', message: 'No.' } }),
    },
    'failed',
  ],
  ['that fails its task', { do: 'fail', failure: failureOf('host-lost', 'Gone.') }, 'failed'],
])('an attempt %s ends as: %s', (_, decision, outcome) => {
  expect(outcomeOf('poll', decision)).toBe(outcome);
  expect(outcomeOf('cancelled', decision), 'of a cancelled task').toBe('cancelled');
});

test('a failure is two sentences: what happened, then what to do', () => {
  const sentence = 'No host. Use on-demand capacity.';
  expect(failureOf('host-lost', 'No host.')).toEqual({ kind: 'host-lost', sentence });
  expect(failureOf('host-lost', 'No host').sentence).toBe(sentence);
});
