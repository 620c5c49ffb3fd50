import { expect, test } from 'vitest';
import { pathInContainer } from '../../core/result/outputs.ts';
import { parse } from './profile-world.ts';

test.each([
  ['/out/*.txt', '/out', 'a.txt', '/out/a.txt'],
  ['/out/*.txt', '/out/', 'a.txt', '/out/a.txt'],
  ['/out/s_*.txt', '/out/s_', '1.txt', '/out/s_1.txt'],
  ['/out/a\\[1\\]/*.txt', '/out/a[1]', 'b.txt', '/out/a[1]/b.txt'],
  ['/out/a\\[1\\]/*.txt', '/out/a\\[1\\]', 'b.txt', '/out/a[1]/b.txt'],
  ['/out/a\\*b*', '/out/a*b', 'c', '/out/a*bc'],
])('a match of %s below %s is shown with its own path', (pattern, prefix, path, shown) => {
  const { spec } = parse({
    executors: [{ image: 'debian:12', command: ['true'] }],
    outputs: [{ url: 's3://lab/out/', path: pattern, path_prefix: prefix }],
  });
  expect(pathInContainer(spec, { output: 0, path })).toBe(shown);
});
