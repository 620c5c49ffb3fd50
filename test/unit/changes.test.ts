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

test('consecutive rows of the change log are read', () => {
  expect(read(4, changes(5, 6, 7))).toEqual([5, 6, 7]);
});

test('a row whose predecessor may still be committed is not read yet, nor are later ones', () => {
  expect(read(4, changes(5, 7, 8))).toEqual([5]);
  expect(read(4, changes(6, 7))).toEqual([]);
});

test('an old gap in the change log was rolled back, and is skipped', () => {
  expect(read(4, changes('old5', 'old9', 10, 12))).toEqual([5, 9, 10]);
});

test('ids that a cluster assigns in steps have no gaps between them', () => {
  expect(read(3, changes(6, 9, 15), 3)).toEqual([6, 9]);
});
