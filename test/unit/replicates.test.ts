import { expect, test } from 'vitest';
import { countReplicates } from '../../core/cache/replicates.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';
import { splitTask } from '../../core/task/template.ts';

const ROLE = 'arn:aws:iam::123456789012:role/reader';
const executor = (command: string[], more: object = {}) => ({
  image: 'debian:12',
  command,
  ...more,
});
const task = (more: object = {}) => ({
  outputs: [{ url: 's3://lab/out', path: '/out' }],
  executors: [executor(['simulate'])],
  ...more,
});
const numbersOf = (...tasks: object[]): number[] =>
  countReplicates(
    tasks.map((one) => {
      const read = parseTesTask(one, { cache: 'readwrite', limits: { jobRoles: [ROLE] } });
      if ('problems' in read) throw new Error(JSON.stringify(read.problems));
      return splitTask(read.task.spec);
    }),
  );
const outputTo = (url: string) => ({ outputs: [{ url, path: '/out' }] });

test('equal rows are numbered in their order, and the first of each kind has no number', () => {
  const other = task({ executors: [executor(['simulate', '--other'])] });
  expect(numbersOf(task(), other, task(), task(), other)).toEqual([0, 0, 2, 3, 2]);
});

test('rows that differ only in what a fingerprint ignores are equal', () => {
  expect(
    numbersOf(
      task(),
      task(outputTo('s3://lab/other')),
      task(outputTo(`s3://lab/${'x'.repeat(1020)}`)),
      task({ name: 'b', description: 'b', tags: { b: 'b' } }),
      task({ outputs: [{ url: 's3://lab/b', path: '/out', name: 'b', description: 'b' }] }),
      task({ resources: { ram_gb: 8 } }),
    ),
  ).toEqual([0, 2, 3, 4, 5, 6]);
  const variables = (env: object) => task({ executors: [executor(['simulate'], { env })] });
  expect(numbersOf(variables({ A: '1', B: '2' }), variables({ B: '2', A: '1' }))).toEqual([0, 2]);
  const written = (more: object) => task({ inputs: [{ path: '/in', content: 'x', ...more }] });
  expect(numbersOf(written({}), written({ url: 's3://lab/x', name: 'x' }))).toEqual([0, 2]);
});

test('rows that differ in what they do or read are not equal', () => {
  const long = 'x'.repeat(2000);
  const different = [
    task(),
    task({ executors: [executor(['simulate', ''])] }),
    task({ executors: [executor(['simulate', 's3://lab/out'])] }),
    task({ executors: [executor(['simulate', long])] }),
    task({ executors: [executor(['simulate', `${long}x`])] }),
    task({ executors: [executor(['simulate'], { image: 'debian:13' })] }),
    task({ executors: [executor(['simulate'], { workdir: '/w' })] }),
    task({ executors: [executor(['simulate'], { stdin: '/w' })] }),
    task({ executors: [executor(['simulate'], { stdout: '/w' })] }),
    task({ executors: [executor(['simulate'], { stderr: '/w' })] }),
    task({ executors: [executor(['simulate'], { env: { A: '1' } })] }),
    task({ executors: [executor(['simulate'], { env: { A: '2' } })] }),
    task({ executors: [executor(['simulate'], { env: { B: '1' } })] }),
    task({ executors: [executor(['simulate'], { ignore_error: true })] }),
    task({ executors: [executor(['simulate']), executor(['simulate'])] }),
    task({ inputs: [{ url: 's3://lab/a', path: '/in' }] }),
    task({ inputs: [{ url: 's3://lab/b', path: '/in' }] }),
    task({ inputs: [{ url: 's3://lab/a', path: '/in2' }] }),
    task({ inputs: [{ url: 's3://lab/a/', path: '/in', type: 'DIRECTORY' }] }),
    task({ inputs: [{ content: 's3://lab/a', path: '/in' }] }),
    task({ outputs: [{ url: 's3://lab/out', path: '/out2' }] }),
    task({ outputs: [{ url: 's3://lab/out', path: '/out', type: 'DIRECTORY' }] }),
    task({ volumes: ['/v'] }),
    task({ resources: { backend_parameters: { missing_outputs: 'fail' } } }),
    task({
      resources: { backend_parameters: { job_role: ROLE } },
    }),
  ];
  expect(numbersOf(...different)).toEqual(different.map(() => 0));
});
