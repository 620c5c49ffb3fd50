import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findOverlap, mapPath, readPathMap, unmapUrl } from '../../core/files/path-map.ts';

/** Few names, so that roots and their places in S3 often overlap. */
const name = fc.constantFrom('a', 'b', 'ab', 'c d', 'ü', '%2F');
const names = (least: number) =>
  fc.array(name, { minLength: least, maxLength: 4 }).map((parts) => parts.join('/'));
const maps = fc
  .array(fc.tuple(names(1), names(0)), { minLength: 1, maxLength: 4 })
  .map((pairs) => readPathMap(pairs.map(([path, key]) => `/${path}=s3://bkt/${key}`)));

test('a path below a root has a URL that maps back to it, unless two roots overlap in S3', () => {
  let brought = 0;
  fc.assert(
    fc.property(maps, names(1), (map, below) => {
      if (findOverlap(map)) return;
      for (const root of map.keys()) {
        const url = mapPath(`${root}/${below}`, map);
        expect(unmapUrl(url, map)).toBe(`${root}/${below}`);
        brought += 1;
      }
    }),
    { numRuns: 2000 },
  );
  expect(brought).toBeGreaterThan(50);
});

test('a URL has a path only if that path has the URL', () => {
  let found = 0;
  fc.assert(
    fc.property(maps, names(1), (map, key) => {
      const path = findOverlap(map) ? undefined : unmapUrl(`s3://bkt/${key}`, map);
      found += path === undefined ? 0 : 1;
      expect(path === undefined ? `s3://bkt/${key}` : mapPath(path, map)).toBe(`s3://bkt/${key}`);
    }),
    { numRuns: 2000 },
  );
  expect(found).toBeGreaterThan(20);
});

test.each([
  's3://bkt/x/../y',
  's3://bkt/x/..',
  's3://bkt/x//y',
  's3://bkt/x/./y',
  's3://bkt/xy',
  's3://other/x/y',
  'https://bkt/x/y',
])('the URL %s has no path', (url) => {
  expect(unmapUrl(url, readPathMap(['/root=s3://bkt/x']))).toBeUndefined();
});

test.each([
  [['/a=s3://b0b/x', '/c=s3://b0b/x/y']],
  [['/a=s3://b0b', '/c=s3://b0b/y']],
  [['/a=s3://b0b/x', '/c=s3://b0b/x']],
])('the map %j is reported as overlapping', (items) => {
  expect(findOverlap(readPathMap(items))).toBeDefined();
  expect(findOverlap(readPathMap(items.toReversed()))).toBeDefined();
});
