import { expect, test } from 'vitest';
import { overlappingPaths } from '../../core/container/container-path.ts';

const file = (path: string) => ({ path, isFolder: false });
const folder = (path: string) => ({ path, isFolder: true });

test('inputs with paths of their own do not overlap, however alike the paths are', () => {
  expect(
    overlappingPaths([file('/in/a'), file('/in/ab'), folder('/in/d'), file('/in/dd')]),
  ).toEqual(new Set());
});

test('inputs at one path overlap', () => {
  expect(overlappingPaths([file('/in/a'), file('/in/b'), file('/in/a')])).toEqual(new Set([0, 2]));
});

test('an input inside of a directory input overlaps with it, whichever is declared first', () => {
  expect(overlappingPaths([folder('/in/d'), file('/in/d/e/f'), file('/x')])).toEqual(
    new Set([0, 1]),
  );
  expect(overlappingPaths([file('/in/d/e/f'), folder('/in/d')])).toEqual(new Set([0, 1]));
  expect(overlappingPaths([folder('/'), file('/a')])).toEqual(new Set([0, 1]));
});

test('a file does not overlap with what is below a path of its own name', () => {
  expect(overlappingPaths([file('/in/d'), file('/in/d/1')])).toEqual(new Set());
});

test('10,000 inputs are compared without looking at each pair', () => {
  const many = Array.from({ length: 10_000 }, (_, at) => file(`/in/${at % 100}/${at}`));
  expect(overlappingPaths([...many, folder('/in/7')]).size).toBe(101);
});
