// cspell:ignore abcdefab abcdefabcdefabcdefabcdefabcdefab
/** Failed tasks by reason. */
import { expect, test } from 'vitest';
import { commonForm } from '../../core/retry/common-form.ts';
import { groupFailures, type FailedTask } from '../../core/retry/group-failures.ts';

const failed = (sentence: string, more: Partial<FailedTask> = {}): FailedTask => ({
  id: 'task-1-aaaaaa',
  code: 'executor-failed',
  sentence,
  endedMs: 1,
  ...more,
});

/** Sentences of the fleet, of AWS, of registries, and of the system, with other noise in each. */
const alike: [what: string, ...sentences: string[]][] = [
  [
    'inputs',
    'Input 3 of 12 s3://lab/a.fq could not be read: NoSuchKey: The specified key does not exist.',
    'Input 1 of 2 s3://lab/b/my file.fq could not be read: NoSuchKey: The specified key does not exist.',
  ],
  [
    'lists of files',
    'The command succeeded but did not write these declared outputs: /out/a.bam.',
    'The command succeeded but did not write these declared outputs: /out/b.bam, /c, and 1,234 more.',
  ],
  [
    'equal calls',
    'It is the same call as task-1-aaaaaa, which failed: The command exited with code 3.',
    'It is the same call as task-2z-bbbbbb, which failed: The command exited with code 3.',
  ],
  [
    'tries and durations',
    'Hosts failed to run the task 3 times: Task failed to start; DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s.',
    'Hosts failed to run the task 5 times: Task failed to start; DockerTimeoutError: Could not transition to created; timed out after waiting 12s.',
  ],
  ['one try and more', 'It gave up after 1 try.', 'It gave up after 3 tries.'],
  ['sizes', 'It used 2,048 MiB of 1024.', 'It used 1.5 GiB of 4.', 'It used 512MB of 90000.'],
  [
    'hosts',
    'The host was lost too many times: Host EC2 (instance i-0abc12345) terminated.',
    'The host was lost too many times: Host EC2 (instance i-abcdefab) terminated.',
  ],
  [
    'images',
    'The image could not be pulled: CannotPullContainerError: failed to resolve reference "docker.io/lab/a:1": not found',
    'The image could not be pulled: CannotPullContainerError: failed to resolve reference "quay.io/b:2": not found',
  ],
  [
    'images without quotes',
    'pull access denied for lab/tool:1.2, repository does not exist',
    'pull access denied for quay.io/other/tool, repository does not exist',
  ],
  [
    'words that AWS cut in a name',
    'CannotPullContainerError: failed to resolve reference "docker.io/lab/too',
    'CannotPullContainerError: failed to resolve reference "quay.io/b:1',
  ],
  ['addresses', 'dial tcp 10.0.0.1:443: i/o timeout', 'dial tcp 192.168.7.22:8443: i/o timeout'],
  [
    'submissions',
    'AWS Batch rejected submission 0a1b2c3d4e5f60718293a4b5c6d7e8f9 to queue spot: Too long',
    'AWS Batch rejected submission abcdefabcdefabcdefabcdefabcdefab to queue spot: Too long',
  ],
  [
    'ids of requests',
    'AccessDenied: no (Status Code: 403; Request ID: 4C2X9; Proxy: null)',
    'AccessDenied: no (Status Code: 403; Request ID: 9ZZ81; Proxy: null)',
  ],
  [
    'the own quotes of apostrophes',
    "ENOENT: no such file or directory, open '/tmp/it's/a'",
    "ENOENT: no such file or directory, open '/tmp/b'",
  ],
  [
    'times',
    'AWS denies SubmitJob since 2026-11-29T19:15:00.000Z.',
    'AWS denies SubmitJob since 2026-11-30T01:02:03Z.',
  ],
  ['ARNs', 'Cannot assume arn:aws:iam::1:role/a.', 'Cannot assume arn:aws:iam::23:role/b/c.'],
];

test.each(alike)('the noise of a reason makes no group: %s', (_what, ...sentences) => {
  expect(new Set(sentences.map(commonForm)).size).toBe(1);
});

/** Each sentence of a row is a reason of its own. */
const apart: [what: string, ...sentences: string[]][] = [
  [
    'exit codes',
    "The command exited with code 1. Read the task's stdout and stderr.",
    "The command exited with code 3. Read the task's stdout and stderr.",
    "The command exited with code 13. Read the task's stdout and stderr.",
  ],
  [
    'exit codes of jobs',
    'Essential container exited; exit code 1',
    'Essential container exited; exit code 2',
  ],
  ['exit statuses', 'runc: exit status 1: unknown', 'runc: exit status 2: unknown'],
  ['short forms of exit codes', 'It ended (rc=1).', 'It ended (rc=2).', 'It ended (exitCode: 3).'],
  ['exit codes below 0', 'It ended with code -1.', 'It ended with code 1.'],
  [
    'signals',
    'It was killed by signal 9.',
    'It was killed by signal 11.',
    'It was killed by SIGTERM.',
  ],
  ['executors', 'Executor 1 exited with code 3.', 'Executor 2 exited with code 3.'],
  [
    "an executor's files",
    "Executor 0's stdin does not exist.",
    "Executor 1's stdin does not exist.",
  ],
  ['HTTP statuses', 'It could not be read: HTTP 403', 'It could not be read: HTTP 500'],
  ['statuses of AWS', '(Service: S3, Status Code: 403)', '(Service: S3, Status Code: 503)'],
  [
    'answers of registries',
    'unexpected status from HEAD request to https://r.io/v2/a: 429 Too Many Requests',
    'unexpected status from HEAD request to https://r.io/v2/a: 503 Service Unavailable',
  ],
  ['answers of web servers', 'The server answered 404.', 'The server answered 502.'],
  ['numbers of errors', 'write failed: errno 28', 'write failed: errno 5'],
  ['queues', 'AWS Batch has no job queue spot-1.', 'AWS Batch has no job queue spot-2.'],
  ['architectures', 'no match for linux/amd64', 'no match for linux/arm64'],
  ['services', 'S3 did not answer.', 'EC2 did not answer.'],
  [
    'what the task and the input did, between two apostrophes',
    "The input's host is unknown: check the task's URL.",
    "The input's bucket is unknown: check the task's URL.",
  ],
];

test.each(apart)('a fact of a reason makes a group of its own: %s', (_what, ...sentences) => {
  expect(new Set(sentences.map(commonForm)).size).toBe(sentences.length);
});

test('every exit code is a reason of its own', () => {
  const exits = Array.from({ length: 256 }, (_, code) => `The command exited with code ${code}.`);
  expect(new Set(exits.map(commonForm)).size).toBe(exits.length);
});

test('a hostile sentence is read in a time that grows with its length only', () => {
  for (const part of ['"', "'a", '… ', 'a/', '1,', '(code ', 'queue '])
    expect(commonForm(part.repeat(4_000)).length).toBeGreaterThan(0);
});

test('the largest group is first, with its latest sentence and its latest tasks', () => {
  const groups = groupFailures([
    failed('Out of 1 GiB.', { code: 'out-of-memory', id: 'memory', endedMs: 50 }),
    failed('Read s3://a/1.', { id: 'early', endedMs: 10 }),
    failed('Read s3://a/2.', { id: 'late', endedMs: 30 }),
  ]);
  expect(groups).toMatchObject([
    {
      code: 'executor-failed',
      sentence: 'Read s3://a/2.',
      tasks: 2,
      firstMs: 10,
      lastMs: 30,
      examples: ['late', 'early'],
    },
    { code: 'out-of-memory', tasks: 1 },
  ]);
  expect(groupFailures([])).toEqual([]);
});
