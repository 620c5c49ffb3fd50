/** Failed tasks by reason. */
import { expect, test } from 'vitest';
import { commonForm, groupFailures, type FailedTask } from '../../core/retry/group-failures.ts';

const failed = (sentence: string, more: Partial<FailedTask> = {}): FailedTask => ({
  id: 'task-1-aaaaaa',
  code: 'executor-failed',
  sentence,
  endedMs: 1,
  ...more,
});

test('sentences that differ in URLs, paths, ids, quotes and counts have one form', () => {
  const pairs = [
    ['Input 3 (s3://lab/a.fq) does not exist.', 'Input 12 (s3://lab/b/c.fq) does not exist.'],
    ['The command wrote no /out/a.bam.', 'The command wrote no /out/b.bam.'],
    ['Like task-1-aaaaaa, which failed.', 'Like task-2z-bbbbbb, which failed.'],
    ['It used 2,048 MiB of 1024.', 'It used 4,096 MiB of 2048.'],
    ['The image "a:1" cannot be pulled.', 'The image "b:2" cannot be pulled.'],
  ];
  for (const [one = '', other = ''] of pairs) expect(commonForm(one)).toBe(commonForm(other));
});

test('another exit code or another executor is another reason', () => {
  expect(commonForm('The command exited with code 3.')).not.toBe(
    commonForm('The command exited with code 4.'),
  );
  expect(commonForm('Executor 1 ended.')).not.toBe(commonForm('Executor 2 ended.'));
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
