import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { stepExpression } from '../../core/files/path-pattern.ts';
import { matchPaths } from '../../stager/glob.ts';

test.each([
  ['*.txt', 'a.txt', true],
  ['*.txt', '.a.txt', false],
  ['.*', '.hidden', true],
  ['?', 'é', true],
  ['?', '🧬', true],
  ['?', 'ab', false],
  ['a[0-9]b', 'a5b', true],
  ['a[!0-9]b', 'a5b', false],
  ['a[!0-9]b', 'axb', true],
  ['a[^0-9]b', 'axb', true],
  ['a[]x]b', 'a]b', true],
  ['a[!]x]b', 'a]b', false],
  ['a[x-]b', 'a-b', true],
  ['a[-x]b', 'a-b', true],
  ['a[\\]]b', 'a]b', true],
  ['[[:digit:]]*', '7z', true],
  ['[[:alpha:]_]', '_', true],
  ['[[:upper:]]', 'a', false],
  ['[[:constructor:]x]', 'f', false],
  ['[[:constructor:]x]', 'x', true],
  ['a[b', 'a[b', true],
  ['\\*a', '*a', true],
  ['\\*a', 'xa', false],
  ['x-y.z', 'x-yaz', false],
  ['a+(b)|{c}^$', 'a+(b)|{c}^$', true],
  ['sample_*_R[12].fq', 'sample_a_1_R2.fq', true],
  ['*', 'two\nlines', true],
  // POSIX leaves these open; none of them may fail a task that ran for hours.
  ['[z-a]x', 'bx', false],
  ['[z-ab]x', 'bx', true],
  ['[!z-a]x', 'bx', true],
  ['[é-z]', 'f', false],
  ['[a-[:digit:]]', '7', true],
  ['[a-[:digit:]]', '-', true],
  ['[[:digit:]-z]', '-', true],
  ['[[=a=]b]', 'a', true],
  ['[[=a=]b]', '=', false],
  ['[[.-.]x]', '-', true],
  ['[[.a.]-[.c.]]', 'b', true],
  ['[\\a-\\c]', 'b', true],
  ['[', '[', true],
  ['[]', '[]', true],
  ['[!]', '[!]', true],
  ['[^]x', '[^]x', true],
  ['[]x', '[]x', true],
  ['[]]', ']', true],
  ['\\.h*', '.hidden', true],
  ['\\.*', '.hidden', true],
  ['[.]h*', '.hidden', false],
  ['**', 'a', true],
  ['**', '.a', false],
  ['a**b*c', 'a-b-c', true],
  ['*ab*ab', 'ab', false],
  ['*ab*ab', 'ab-ab', true],
  ['*a', 'aba', true],
  ['a*a', 'a', false],
  ['*?*', '🧬', true],
  ['*[ab]?1*', 'xa21b31', true],
  ['*1*', 'x1', true],
])('the pattern %j on the name %j: %j', (pattern, name, matches) => {
  expect(stepExpression(pattern).test(name)).toBe(matches);
});

test('a pattern matches through folders, and matches nothing where a folder does not exist', async () => {
  const root = await mkdtemp(join(tmpdir(), 'glob-'));
  try {
    for (const path of ['a/one.txt', 'b/two.txt', 'b/.three.txt', 'c']) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), '');
    }
    expect((await matchPaths(`${root}/*/*.txt`)).paths).toEqual([
      `${root}/a/one.txt`,
      `${root}/b/two.txt`,
    ]);
    expect((await matchPaths(`${root}/[ab]`)).paths).toEqual([`${root}/a`, `${root}/b`]);
    expect((await matchPaths(`${root}/nowhere/*`)).paths).toEqual([]);
    expect((await matchPaths(`${root}/*/gone`)).paths).toEqual([]);
  } finally {
    await rm(root, { recursive: true });
  }
});

test('a pattern with many stars is tried in one way only, however long the name is', () => {
  const stars = `${'*a'.repeat(40)}*b`;
  expect(stepExpression(stars).test('a'.repeat(254))).toBe(false);
  expect(stepExpression(stars).test(`${'a'.repeat(254)}b`)).toBe(true);
});

test('whatever a pattern is, it can be read', () => {
  const parts = ['[', ']', '!', '-', '\\', ':', '.', 'a', '*', 'é'];
  for (const a of parts)
    for (const b of parts)
      for (const c of parts)
        for (const d of parts) expect(() => stepExpression(`[${a}${b}${c}${d}]x`)).not.toThrow();
});
