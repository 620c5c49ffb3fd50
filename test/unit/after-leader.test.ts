import { expect, test } from 'vitest';
import {
  commandFailure,
  decideAfterLeader,
  type AfterLeader,
  type EndedLeader,
} from '../../core/cache/after-leader.ts';
import type { ResultRecord } from '../../core/result/result.ts';

const resources = { cpu_cores: 1, ram_gb: 2, disk_gb: 10, preemptible: false };
const follower = { owner: 'ada', fingerprint: 'f1', resources };
const failed: EndedLeader = {
  ...follower,
  resources: { ...resources },
  id: 'task-2s-9f31c4',
  place: 'failed',
  hadEntry: false,
  commandFailure: 'The command exited with code 1.',
};
const failsWithIt: AfterLeader = {
  do: 'fail',
  failure: {
    kind: 'same-call-failed',
    sentence:
      'It is the same call as task-2s-9f31c4, which failed: The command exited with code 1. ' +
      'Read the stdout and stderr of that task.',
  },
};

test.each<[string, Partial<EndedLeader>, AfterLeader]>([
  ['whose command failed fails with it', {}, failsWithIt],
  ['that failed by something else runs', { commandFailure: undefined }, { do: 'run' }],
  ['of another owner runs', { owner: 'bob' }, { do: 'run' }],
  ['with other resources runs', { resources: { ...resources, ram_gb: 1 } }, { do: 'run' }],
  ['that left no entry runs', { place: 'done' }, { do: 'run' }],
  [
    'whose entry was lost since is checked again',
    { place: 'done', hadEntry: true },
    { do: 'check' },
  ],
  ['that was cancelled is checked anew', { place: 'cancelled' }, { do: 'check' }],
  ['of what is another call by now is checked anew', { fingerprint: 'f0' }, { do: 'check' }],
])('a task that waited for a leader %s', (_, change, expected) =>
  expect(decideAfterLeader(follower, { ...failed, ...change })).toEqual(expected),
);

const resultOf = (...exitCodes: number[]): ResultRecord => ({
  startedMs: 1,
  endedMs: 2,
  executors: exitCodes.map((exitCode) => ({ exitCode, startedMs: 1, endedMs: 2 })),
  outputs: [],
  missingOutputs: [],
});

test('only a non-zero exit code of the command itself is a failure that equal tasks share', () => {
  const of = (code: string | null, result?: ResultRecord, ignored = [false]) =>
    commandFailure(code, result, ignored);
  expect(of('executor-failed', resultOf(1))).toBe('The command exited with code 1.');
  expect(of('executor-failed', resultOf(127))).toBe(
    'The command exited with code 127 (command not found).',
  );
  expect(of('executor-failed', resultOf(5, 3), [true, false])).toBe(
    'Executor 1 exited with code 3.',
  );
  for (const signal of [128, 134, 137, 143, 255])
    expect(of('executor-failed', resultOf(signal))).toBeUndefined();
  for (const other of [
    'out-of-memory',
    'timed-out',
    'host-lost',
    'host-fault',
    'misconfigured',
    'not-started',
    'job-terminated',
    'disk-full',
    'image-unavailable',
    'input-unreadable',
    'output-unwritable',
    'output-missing',
    'script-unreadable',
    'batch-refused',
    'result-missing',
    'internal',
    null,
  ])
    expect(of(other, resultOf(1))).toBeUndefined();
  expect(of('executor-failed')).toBeUndefined();
});
