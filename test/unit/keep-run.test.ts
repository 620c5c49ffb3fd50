import { expect, test } from 'vitest';
import { outputsToKeep, whyNotKept, type EndedRun } from '../../core/cache/keep-run.ts';
import { readDigest } from '../../core/cache/read-digest.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';
import type { ResultRecord } from '../../core/result/result.ts';

const READ = 'ab'.repeat(16);
const file = (output: number, path = '') => ({
  output,
  path,
  sizeBytes: 3,
  crc64nvme: 'AAAAAAAAAAA=',
  etag: 'cd'.repeat(16),
});
const ended = (exitCode: number) => ({ exitCode, startedMs: 1, endedMs: 2 });
const record: ResultRecord = {
  startedMs: 1,
  endedMs: 2,
  executors: [ended(0)],
  outputs: [file(0)],
  missingOutputs: [],
  inputs: { digest: READ },
};
const specOf = (task: object) => {
  const read = parseTesTask(
    {
      inputs: [{ url: 's3://lab/in', path: '/in' }],
      outputs: [{ url: 's3://lab/out', path: '/out' }],
      executors: [{ image: 'debian:12', command: ['work'] }],
      ...task,
    },
    { cache: 'readwrite' },
  );
  if ('problems' in read) throw new Error(JSON.stringify(read.problems));
  return read.task.spec;
};
const run = (
  result: Partial<ResultRecord> = {},
  { task = {}, ...more }: Partial<EndedRun> & { task?: object } = {},
): EndedRun => ({
  cache: 'readwrite',
  profile: 'generic',
  spec: specOf(task),
  result: { ...record, ...result },
  hasFingerprint: true,
  inputsRead: READ,
  sharing: 'any',
  ...more,
});

test('a run whose reading is proven by CRC64NVMEs only is not kept where owners share by SHA-256', () => {
  const proven = run({ inputs: { digest: 'ef'.repeat(16), sumsDigest: READ } });
  expect(whyNotKept({ ...proven, sharing: 'sha256' })).toEqual({ because: 'input-changed' });
});

test('a run that succeeded whole, and read what was checked, is kept', () => {
  expect(whyNotKept(run())).toBeUndefined();
  expect(
    whyNotKept(run({ inputs: { digest: 'ef'.repeat(16), sumsDigest: READ } })),
  ).toBeUndefined();
  const { inputs, ...readNothing } = record;
  expect(
    whyNotKept({
      ...run({}, { task: { inputs: [] }, inputsRead: readDigest([]) }),
      result: readNothing,
    }),
  ).toBeUndefined();
  expect(inputs).toBeDefined();
});

test('a run is not kept when its task does not write the cache or had no fingerprint', () => {
  expect(whyNotKept(run({}, { cache: 'read' }))).toEqual({ because: 'off' });
  expect(whyNotKept(run({}, { cache: 'off' }))).toEqual({ because: 'off' });
  expect(whyNotKept(run({}, { hasFingerprint: false }))).toEqual({ because: 'no-fingerprint' });
});

test('a run with an executor whose failure was ignored is not kept', () => {
  expect(whyNotKept(run({ executors: [ended(0), ended(3), ended(0)] }))).toEqual({
    because: 'executor-failed',
    executor: 1,
    exitCode: 3,
  });
});

test('a run that did not write a declared output is not kept, unless the output is a wildcard', () => {
  const outputs = [
    { url: 's3://lab/out', path: '/out' },
    { url: 's3://lab/more', path: '/more/result.bam' },
    { url: 's3://lab/all/', path: '/all/*.txt', path_prefix: '/all' },
  ];
  expect(whyNotKept(run({ missingOutputs: [2] }, { task: { outputs } }))).toBeUndefined();
  expect(
    whyNotKept(run({ outputs: [file(2, 'a.txt')], missingOutputs: [0] }, { task: { outputs } })),
  ).toEqual({ because: 'output-missing', paths: ['/out'] });
});

test('a run of Nextflow may leave out files that only Nextflow declares', () => {
  const outputs = ['.command.trace', '.exitcode', 'out.bam'].map((name) => ({
    url: `s3://lab/work/${name}`,
    path: `/work/${name}`,
  }));
  const nextflow = { profile: 'nextflow', task: { outputs } } as const;
  expect(whyNotKept(run({ outputs: [file(2)], missingOutputs: [0, 1] }, nextflow))).toBeUndefined();
  expect(whyNotKept(run({ outputs: [file(1)], missingOutputs: [0, 2] }, nextflow))).toEqual({
    because: 'output-missing',
    paths: ['/work/out.bam'],
  });
});

test('a call of Cromwell that wrote rc 0 but lacks a declared output is not kept', () => {
  const outputs = ['rc', 'bam'].map((name) => ({
    name,
    url: `s3://lab/${name}`,
    path: `/call/execution/${name}`,
  }));
  const rc = { ...file(0), sizeBytes: 2, crc64nvme: 'wUU2gGmYNtE=' };
  const cromwell = { profile: 'cromwell', task: { outputs } } as const;
  expect(whyNotKept(run({ outputs: [rc, file(1)] }, cromwell))).toBeUndefined();
  expect(whyNotKept(run({ outputs: [rc], missingOutputs: [1] }, cromwell))).toMatchObject({
    because: 'output-missing',
  });
  expect(whyNotKept(run({ outputs: [file(0), file(1)] }, cromwell))).toEqual({
    because: 'client-failed',
    profile: 'cromwell',
  });
});

test('a run that read something else than what was checked is not kept', () => {
  expect(whyNotKept(run({ inputs: { digest: 'ef'.repeat(16) } }))).toEqual({
    because: 'input-changed',
  });
  const { inputs, ...unknown } = record;
  expect(whyNotKept({ ...run(), result: unknown })).toEqual({ because: 'input-changed' });
  expect(whyNotKept(run({ ...(inputs && { inputs }) }, { inputsRead: undefined }))).toEqual({
    because: 'input-changed',
  });
});

test('a run that wrote to the URL of its input is not kept', () => {
  const outputs = [
    { url: 's3://lab/out', path: '/out' },
    { url: 's3://lab/in', path: '/in' },
  ];
  const inPlace = run({ outputs: [file(0), file(1)] }, { task: { outputs } });
  expect(whyNotKept(inPlace)).toEqual({ because: 'input-overwritten', urls: ['s3://lab/in'] });
});

test('the script of a client, which goes out as it came in, is not among the outputs that are kept', () => {
  const task = {
    tags: { workflow_id: 'w' },
    inputs: [{ name: 'commandScript', url: 's3://lab/script', path: '/call/execution/script' }],
    outputs: ['rc', 'script'].map((name) => ({
      name,
      url: `s3://lab/${name}`,
      path: `/call/execution/${name}`,
    })),
  };
  const rc = { ...file(0), sizeBytes: 2, crc64nvme: 'wUU2gGmYNtE=' };
  const call = run({ outputs: [rc, file(1)] }, { profile: 'cromwell', task });
  expect(whyNotKept(call)).toBeUndefined();
  expect(outputsToKeep(call).map(({ url }) => url)).toEqual(['s3://lab/rc']);
  expect(whyNotKept(run({ outputs: [] }))).toEqual({ because: 'no-outputs' });
});
