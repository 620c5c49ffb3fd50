/** From where new result records are listed. */
import { expect, test } from 'vitest';
import { nextListFrom } from '../../core/submission/list-from.ts';

const at = (count: number, from: number): number[] =>
  Array.from({ length: count }, (_, one) => from + one);

test('the next listing begins shortly before the newest records of this one', () => {
  expect(nextListFrom([100_000, 160_000, 130_000], 90_000)).toBeLessThan(130_000);
  const from = nextListFrom(at(1000, 1_000_000), 0);
  expect(from).toBeGreaterThan(995_000);
  expect(from).toBeLessThan(1_000_999);
});

test('a listing that found nothing new is followed by one from the same time', () => {
  expect(nextListFrom([], 5000)).toBe(5000);
});

test('one host whose clock is years ahead does not hide the records of the others', () => {
  expect(nextListFrom([...at(20, 50_000), 9_999_999_999_999], 40_000)).toBeLessThan(50_020);
});

test('no listing begins before the first moment there is', () => {
  expect(nextListFrom([1, 2], 0)).toBe(0);
});
