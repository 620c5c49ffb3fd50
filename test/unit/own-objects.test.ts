import { expect, test } from 'vitest';
import { refuseForbidden } from '../../core/access/access.ts';
import type { Problem } from '../../core/problems.ts';
import type { InputOf, OutputOf } from '../../core/task/task.ts';

const resources = { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false };
const ownUrls = ['s3://work/fleet/scripts/', 's3://work/fleet/submissions/'];

function refused(inputs: InputOf<string>[], outputs: OutputOf<string>[] = []): string[] {
  const problems: Problem[] = [];
  refuseForbidden({ inputs, outputs, resources }, { ownUrls }, problems);
  return problems.map(({ field }) => field);
}

const file = (url: string): InputOf<string> => ({ url, path: '/in/a', type: 'FILE' });
const folder = (url: string) => ({ url, path: '/in/a', type: 'DIRECTORY' as const });
const matches = (url: string): OutputOf<string> => ({
  url,
  path: '/out/*',
  path_prefix: '/out',
  type: 'FILE',
});

test.each([
  's3://work/fleet/submissions/',
  's3://work/fleet/submissions',
  's3://work/fleet/submissions/key/results',
  's3://work/fleet/scripts',
  's3://work/fleet/',
  's3://work/fleet//',
  's3://work/fleet',
  's3://work/',
  's3://work',
])('a directory %s, which holds objects of Batchwell or lies within them, is refused', (url) => {
  expect(refused([folder(url)])).toEqual(['inputs[0].url']);
  expect(refused([], [{ ...folder(url), path: '/out/d' }])).toEqual(['outputs[0].url']);
});

test.each([
  's3://work/fleet/submissions',
  's3://work/fleet/scripts',
  's3://work/fleet',
  's3://work',
])('a wildcard output to %s, whose matches could be objects of Batchwell, is refused', (url) => {
  expect(refused([], [matches(url)])).toEqual(['outputs[0].url']);
});

test('an object of Batchwell is refused as a file', () => {
  expect(refused([file('s3://work/fleet/submissions/k/manifest')])).toEqual(['inputs[0].url']);
});

test('what only begins like the name of a folder of Batchwell is allowed', () => {
  expect(refused([file('s3://work/fleet/submissions')])).toEqual([]);
  expect(refused([file('s3://work/fleet/submissions.txt'), folder('s3://work/fleet/sub')])).toEqual(
    [],
  );
  expect(
    refused([folder('s3://work/other'), folder('s3://work2')], [matches('s3://lab/o')]),
  ).toEqual([]);
});
