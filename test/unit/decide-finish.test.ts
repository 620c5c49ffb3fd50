import { describe, expect, test } from 'vitest';
import { decideFinish, type FinishFacts } from '../../core/result/decide-finish.ts';
import type { ResultRecord } from '../../core/result/result.ts';
import type { FailureKind } from '../../core/retry/failures.ts';

const record = (change: Partial<ResultRecord> = {}): ResultRecord => ({
  startedMs: 1,
  endedMs: 3,
  executors: [{ exitCode: 0, startedMs: 1, endedMs: 2 }],
  outputs: [],
  missingOutputs: [],
  ...change,
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
  test('a task that succeeded is finished without a warning', () => {
    expect(decideFinish(facts(record()))).toEqual({ do: 'finish', warnings: [] });
  });

  test('what the stager left out is a warning of the task, before the missing outputs', () => {
    const one = record({ warnings: ['a link was skipped'], missingOutputs: [1] });
    expect(decideFinish(facts(one))).toEqual({
      do: 'finish',
      warnings: ['a link was skipped', 'The declared output /out/b was not written.'],
    });
  });

  test('the warnings of the stager are also those of a task that failed', () => {
    const one = record({ warnings: ['sh was ended'], executors: exits(3) });
    expect(decideFinish(facts(one))).toMatchObject({ do: 'fail', warnings: ['sh was ended'] });
  });

  test('a missing output is a warning, or a failure if the task says so', () => {
    const one = record({ missingOutputs: [1] });
    expect(decideFinish(facts(one))).toEqual({
      do: 'finish',
      warnings: ['The declared output /out/b was not written.'],
    });
    expect(decideFinish(facts(one, { missingOutputs: 'fail' }))).toMatchObject({
      failure: {
        kind: 'output-missing',
        sentence: expect.stringContaining(
          'did not write these declared outputs: /out/b.',
        ) as string,
      },
    });
  });

  test('what could not be written of an output is a warning, or a failure if the task says so', () => {
    const said = 'Of the output /out/a, 1 entry was not written: "/out/a/p" (a named pipe).';
    const one = record({ leftOut: [said] });
    expect(decideFinish(facts(one))).toEqual({ do: 'finish', warnings: [said] });
    expect(decideFinish(facts(one, { missingOutputs: 'fail' }))).toMatchObject({
      failure: { kind: 'output-missing', sentence: expect.stringContaining(said) as string },
    });
  });

  test('many missing outputs make a sentence that stays short', () => {
    const outputPaths = Array.from({ length: 1300 }, (_, at) => `/out/${at}`);
    const one = record({ missingOutputs: [...outputPaths.keys()] });
    expect(decideFinish(facts(one, { outputPaths, missingOutputs: 'fail' }))).toMatchObject({
      failure: { sentence: expect.stringMatching(/\/out\/19, and 1,280 more\. /) as string },
    });
  });

  test('an executor whose failure is ignored does not fail the task', () => {
    expect(
      decideFinish(facts(record({ executors: exits(3, 0) }), { ignoreErrors: [true, false] })).do,
    ).toBe('finish');
  });

  test.each<[string, ResultRecord, FailureKind, RegExp]>([
    [
      'an executor',
      record({ executors: exits(0, 4) }),
      'executor-failed',
      /^Executor 1 exited with code 4\. /,
    ],
    [
      'a signal',
      record({ executors: exits(0, 139) }),
      'executor-failed',
      /^Executor 1 exited with code 139 \(SIGSEGV\)\. /,
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
      'a script',
      record({
        executors: [],
        error: { kind: 'script', subject: 'sh', message: 'The script says nonsense.' },
      }),
      'script-unreadable',
      /^The script says nonsense\. /,
    ],
    [
      'a full disk, while an input was read,',
      record({
        executors: [],
        error: {
          kind: 'input',
          subject: 's3://in/x',
          message: 'Input 1 of 1 s3://in/x could not be read: ENOSPC: no space left on device',
          transient: true,
        },
      }),
      'disk-full',
      /ENOSPC.*\. Use a queue whose hosts have larger disks/,
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
      'a command, and then an output,',
      record({
        executors: exits(0, 9),
        error: { kind: 'output', subject: 's3://out/x', message: 'No.' },
      }),
      'executor-failed',
      /exited with code 9\. /,
    ],
    [
      'a command without its output',
      record({ executors: exits(0, 1), missingOutputs: [0] }),
      'executor-failed',
      /exited with code 1\. /,
    ],
  ])('%s that failed is named in the failure, the command first', (_, result, kind, sentence) => {
    const decision = decideFinish(
      facts(result, { ignoreErrors: [false, false], missingOutputs: 'fail' }),
    );
    expect(decision).toMatchObject({ do: 'fail', failure: { kind } });
    expect(decision.do === 'fail' ? decision.failure.sentence : '').toMatch(sentence);
  });
});
