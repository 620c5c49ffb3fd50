import { expect, test } from 'vitest';
import {
  decideStartLook,
  noStartLooks,
  type StartFacts,
  type StartLook,
} from '../../core/submission/start-looks.ts';

interface Second {
  running: number;
  known: number;
  found?: boolean;
}

/** One look a second. */
function look(seconds: readonly Second[], size: number): StartLook[] {
  let looks = noStartLooks;
  return seconds.map(({ running, known, found = false }, second) => {
    const facts: StartFacts = { size, running, known, listed: false, found };
    const decided = decideStartLook(facts, looks, 1_000_000 + second * 1000);
    looks = decided.looks;
    return decided.look;
  });
}

const many = (count: number, second: (at: number) => Second): Second[] =>
  Array.from({ length: count }, (_, at) => second(at));

test('children that run for a second are listed, and no more once they are known', () => {
  expect(
    look(
      [
        { running: 0, known: 0 },
        { running: 3, known: 0 },
        { running: 3, known: 0 },
        { running: 3, known: 3 },
        { running: 3, known: 3 },
      ],
      300,
    ),
  ).toEqual(['none', 'none', 'list', 'none', 'none']);
});

test('a child that runs for a moment costs no request', () => {
  const seconds = many(20, (at) => ({ running: at % 2, known: 0 }));
  expect(new Set(look(seconds, 300))).toEqual(new Set(['none']));
});

test('starts all day long cost one listing for a hundred children, and a few', () => {
  const seconds = many(36_000, (at) => ({ running: at + 2, known: at, found: true }));
  const looks = look(seconds, 10_000);
  expect(looks.filter((one) => one === 'list').length).toBeLessThanOrEqual(110);
  expect(looks).not.toContain('children');
});

test('children that tell nothing are asked of Batch after 20 s, and ever less often', () => {
  const looks = look(
    many(3600, () => ({ running: 100, known: 0 })),
    10_000,
  );
  const asked = looks.flatMap((one, second) => (one === 'children' ? [second] : []));
  expect(asked).toEqual([20, 40, 80, 160, 320, 640, 1240, 1840, 2440, 3040]);
});

test('a child that Batch no longer runs is asked for, and a listing of results could not tell', () => {
  const looks = look(
    many(22, () => ({ running: 1, known: 2 })),
    10,
  );
  expect(looks.indexOf('children')).toBe(20);
  expect(looks).not.toContain('list');
});

test('a listing that was made for ends is not made twice', () => {
  const facts = { size: 10, running: 3, known: 1, listed: true, found: false };
  const looks = { ...noStartLooks, differsMs: 1 };
  expect(decideStartLook(facts, looks, 5000).look).toBe('none');
  expect(decideStartLook({ ...facts, listed: false }, looks, 5000).look).toBe('list');
});
