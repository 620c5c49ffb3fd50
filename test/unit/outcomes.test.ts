import { describe, expect, test } from 'vitest';
import { failureKinds, type FailureKind } from '../../core/retry/failures.ts';
import {
  decideFinish,
  decidePoll,
  type EndedJob,
  type FinishFacts,
  type PollDecision,
} from '../../core/retry/outcomes.ts';
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
const fresh = { hostLosses: 0, memoryGrowths: 0, transientFailures: 0 };
const policy = { hostLossTries: 2, memoryGrowthTries: 1, transientTries: 1 };
const spot: EndedJob = { status: 'FAILED', statusReason: 'Host EC2 (instance i-0abc) terminated.' };
const memory: EndedJob = {
  status: 'FAILED',
  statusReason: 'Essential container in task exited',
  reason: 'OutOfMemoryError: Container killed due to memory usage',
  exitCode: 137,
};
const failure = (decision: PollDecision) => (decision.do === 'fail' ? decision.failure : undefined);

describe('decidePoll', () => {
  test.each<[string, Parameters<typeof decidePoll>[0], PollDecision]>([
    ['nothing known yet: wait', {}, { do: 'wait' }],
    ['a record: finalize', { result: record() }, { do: 'finalize', result: record() }],
    [
      'a record of a failed command: finalize, which judges it',
      { result: record({ executors: [{ exitCode: 2, startedMs: 1, endedMs: 2 }] }) },
      {
        do: 'finalize',
        result: record({ executors: [{ exitCode: 2, startedMs: 1, endedMs: 2 }] }),
      },
    ],
    [
      'a record, whatever Batch says',
      { result: record(), job: spot },
      { do: 'finalize', result: record() },
    ],
    ['a killed command, Batch not heard yet: wait', { result: killed }, { do: 'wait' }],
    [
      'a killed command, not for memory: finalize',
      { result: killed, job: { status: 'FAILED', exitCode: 137 } },
      { do: 'finalize', result: killed },
    ],
    [
      'a killed command, for memory: again',
      { result: killed, job: memory },
      {
        do: 'again',
        because: 'out-of-memory',
        reason:
          'Essential container in task exited; OutOfMemoryError: Container killed due to memory usage; exit code 137',
      },
    ],
    [
      'host lost: again',
      { job: spot },
      { do: 'again', because: 'host-lost', reason: 'Host EC2 (instance i-0abc) terminated' },
    ],
    [
      'out of memory: again',
      { job: memory },
      {
        do: 'again',
        because: 'out-of-memory',
        reason:
          'Essential container in task exited; OutOfMemoryError: Container killed due to memory usage; exit code 137',
      },
    ],
    [
      'fenced: look for the owner',
      { job: { status: 'FAILED', exitCode: 122 } },
      { do: 'find-owner' },
    ],
  ])('%s', (_, seen, expected) => {
    expect(decidePoll(seen, fresh, policy)).toEqual(expected);
  });

  test.each<[string, EndedJob, FailureKind, RegExp]>([
    [
      'host lost too often',
      spot,
      'host-lost',
      /^Its host was lost too often: Host EC2 \(instance i-0abc\) terminated\. /,
    ],
    [
      'out of memory too often',
      memory,
      'out-of-memory',
      /^It needed more memory than it had: .*OutOfMemoryError/,
    ],
    [
      'over its time',
      { status: 'FAILED', statusReason: 'Job attempt duration exceeded timeout' },
      'timed-out',
      /^It ran longer than it may: Job attempt duration exceeded timeout\. /,
    ],
    [
      'no such image',
      {
        status: 'FAILED',
        statusReason: 'Task failed to start',
        reason: 'CannotPullContainerError: pull access denied for nothing',
      },
      'image-unavailable',
      /^Its image could not be started: Task failed to start; CannotPullContainerError: pull access denied for nothing\. /,
    ],
    [
      'no such command',
      {
        status: 'FAILED',
        statusReason: 'Task failed to start',
        reason: 'CannotStartContainerError: no such file',
        exitCode: 127,
      },
      'image-unavailable',
      /exit code 127\. /,
    ],
    [
      'overrides too long',
      { status: 'FAILED', statusReason: 'Container Overrides length must be at most 8192' },
      'batch-refused',
      /Container Overrides length/,
    ],
    [
      'script unreadable',
      { status: 'FAILED', exitCode: 123 },
      'script-unreadable',
      /^Its script could not be read: exit code 123\. /,
    ],
    [
      'ended without a record',
      { status: 'SUCCEEDED', exitCode: 0 },
      'result-missing',
      /^Its container left no result record: exit code 0\. /,
    ],
    [
      'ended without a word',
      { status: 'FAILED' },
      'result-missing',
      /^Its container left no result record: Batch says FAILED\. /,
    ],
  ])('%s fails, and says so', (_, job, kind, sentence) => {
    const decided = failure(
      decidePoll({ job }, { hostLosses: 2, memoryGrowths: 1, transientFailures: 1 }, policy),
    );
    expect(decided?.kind).toBe(kind);
    expect(decided?.sentence).toMatch(sentence);
    expect(decided?.sentence.endsWith(failureKinds[kind].advice)).toBe(true);
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

  test.each<[string, Parameters<typeof decidePoll>[0], PollDecision['do']]>([
    ['an input that S3 would not give for now', { result: slowS3 }, 'again'],
    [
      'an input that is not there',
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
      'a registry that has had too much',
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
      'an image that is not there',
      {
        job: {
          status: 'FAILED',
          reason: 'CannotPullContainerError: manifest for x:500 not found: manifest unknown',
        },
      },
      'fail',
    ],
    [
      'an image that may not be pulled',
      {
        job: {
          status: 'FAILED',
          reason:
            'CannotPullContainerError: pull access denied for x, repository does not exist or may require authorization',
        },
      },
      'fail',
    ],
  ])('%s: %s', (_, seen, expected) => {
    expect(decidePoll(seen, fresh, policy).do).toBe(expected);
  });

  test('trouble that does not pass is told in the end', () => {
    expect(decidePoll({ result: slowS3 }, { ...fresh, transientFailures: 1 }, policy)).toEqual({
      do: 'finalize',
      result: slowS3,
    });
  });

  test('each budget is its own', () => {
    expect(
      decidePoll({ job: spot }, { ...fresh, hostLosses: 1, memoryGrowths: 9 }, policy).do,
    ).toBe('again');
    expect(decidePoll({ job: memory }, { ...fresh, hostLosses: 9 }, policy).do).toBe('again');
    expect(
      decidePoll({ job: spot }, fresh, {
        hostLossTries: 0,
        memoryGrowthTries: 9,
        transientTries: 9,
      }).do,
    ).toBe('fail');
  });
});

const facts = (result: ResultRecord, change: Partial<FinishFacts> = {}): FinishFacts => ({
  result,
  ignoreErrors: [false],
  outputPaths: ['/out/a', '/out/b'],
  missingOutputs: 'warn',
  ...change,
});
const exits = (...exitCodes: number[]) =>
  exitCodes.map((exitCode) => ({ exitCode, startedMs: 1, endedMs: 2 }));

describe('decideFinish', () => {
  test('all well is finished without a warning', () => {
    expect(decideFinish(facts(record()))).toEqual({ do: 'finish', warnings: [] });
  });

  test('a missing output is a warning, or a failure where the task says so', () => {
    const one = record({ missingOutputs: [1] });
    expect(decideFinish(facts(one))).toEqual({
      do: 'finish',
      warnings: ['The declared output /out/b was not written.'],
    });
    expect(decideFinish(facts(one, { missingOutputs: 'fail' }))).toMatchObject({
      failure: {
        kind: 'output-missing',
        sentence: expect.stringContaining('Declared but not written: /out/b.') as string,
      },
    });
  });

  test('a failure that is ignored is none', () => {
    expect(
      decideFinish(facts(record({ executors: exits(3, 0) }), { ignoreErrors: [true, false] })).do,
    ).toBe('finish');
  });

  test.each<[string, ResultRecord, FailureKind, RegExp]>([
    [
      'an executor',
      record({ executors: exits(0, 4) }),
      'executor-failed',
      /^Executor 1 ended with exit code 4\. /,
    ],
    [
      'a signal',
      record({ executors: exits(0, 139) }),
      'executor-failed',
      /^Executor 1 ended with exit code 139 \(SIGSEGV\)\. /,
    ],
    [
      'an input',
      record({
        executors: [],
        error: {
          kind: 'input',
          subject: 's3://in/x',
          message: 'The input s3://in/x is not there.',
        },
      }),
      'input-unreadable',
      /^The input s3:\/\/in\/x is not there\. /,
    ],
    [
      'the script',
      record({
        executors: [],
        error: { kind: 'script', subject: 'sh', message: 'The script says nonsense.' },
      }),
      'script-unreadable',
      /^The script says nonsense\. /,
    ],
    [
      'an output',
      record({
        executors: exits(0, 0),
        error: {
          kind: 'output',
          subject: 's3://out/x',
          message: 'The output s3://out/x was refused.',
        },
      }),
      'output-unwritable',
      /^The output s3:\/\/out\/x was refused\. /,
    ],
    [
      'the command, and then an output: the command is what counts',
      record({
        executors: exits(0, 9),
        error: { kind: 'output', subject: 's3://out/x', message: 'No.' },
      }),
      'executor-failed',
      /exit code 9\. /,
    ],
    [
      'the command, and its output is missing: the command is what counts',
      record({ executors: exits(0, 1), missingOutputs: [0] }),
      'executor-failed',
      /exit code 1\. /,
    ],
  ])('%s failed', (_, result, kind, sentence) => {
    const decision = decideFinish(
      facts(result, { ignoreErrors: [false, false], missingOutputs: 'fail' }),
    );
    expect(decision).toMatchObject({ do: 'fail', failure: { kind } });
    expect(decision.do === 'fail' ? decision.failure.sentence : '').toMatch(sentence);
  });
});
