import { expect, test } from 'vitest';
import { settledPart } from '../../core/notify/changes.ts';

const changes = (...ids: (number | string)[]) =>
  ids.map((id) => ({
    id: Number(String(id).replace('old', '')),
    tasks: [],
    ended: false,
    settled: String(id).startsWith('old'),
  }));
const read = (after: number, rows: ReturnType<typeof changes>, step = 1) =>
  settledPart(after, rows, step).map(({ id }) => id);

test('rows that follow one another are read', () => {
  expect(read(4, changes(5, 6, 7))).toEqual([5, 6, 7]);
});

test('a row whose predecessor may still be committed waits, and so do those after it', () => {
  expect(read(4, changes(5, 7, 8))).toEqual([5]);
  expect(read(4, changes(6, 7))).toEqual([]);
});

test('a hole that is old was rolled back, and is passed', () => {
  expect(read(4, changes('old5', 'old9', 10, 12))).toEqual([5, 9, 10]);
});

test('ids that a cluster gives in steps have no holes between them', () => {
  expect(read(3, changes(6, 9, 15), 3)).toEqual([6, 9]);
});
