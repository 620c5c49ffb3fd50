import { expect, test } from 'vitest';
import { laidAfter } from '../../core/container/container-path.ts';

const file = (path: string) => ({ path, isFolder: false });
const folder = (path: string) => ({ path, isFolder: true });

test('inputs with paths of their own wait for no other, however alike the paths are', () => {
  expect(laidAfter([file('/in/a'), file('/in/ab'), folder('/in/d'), file('/in/dd')])).toEqual([
    [],
    [],
    [],
    [],
  ]);
});

test('of two inputs at one path, the later one is laid last', () => {
  expect(laidAfter([file('/in/a'), file('/in/b'), file('/in/a')])).toEqual([[], [], [0]]);
});

test('an input inside of a directory input is laid over it, whichever is declared first', () => {
  expect(laidAfter([folder('/in/d'), file('/in/d/e/f'), file('/x')])).toEqual([[], [0], []]);
  expect(laidAfter([file('/in/d/e/f'), folder('/in/d')])).toEqual([[1], []]);
  expect(laidAfter([folder('/'), file('/a')])).toEqual([[], [0]]);
});

test('a directory input inside of another one is laid over it, and a file over both', () => {
  expect(laidAfter([file('/in/d/e/f'), folder('/in/d/e'), folder('/in/d')])).toEqual([
    [2, 1],
    [2],
    [],
  ]);
});

test('a file does not wait for what is below a path of its own name', () => {
  expect(laidAfter([file('/in/d'), file('/in/d/1')])).toEqual([[], []]);
});

test('10,000 inputs are compared without looking at each pair', () => {
  const many = Array.from({ length: 10_000 }, (_, at) => file(`/in/${at % 100}/${at}`));
  expect(laidAfter([...many, folder('/in/7')]).flat()).toHaveLength(100);
});
