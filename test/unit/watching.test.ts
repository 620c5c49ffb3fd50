import { expect, test } from 'vitest';
import { isForgotten, nextLookMs } from '../../core/submission/queue-look.ts';

const pace = { pollMs: 1000, slowestMs: 30_000 };
const HOUR = 3_600_000;

test.each([
  ['something has just ended', 0, 0, 1000],
  ['nothing has ended for a minute', 60_000, 0, 6000],
  ['nothing has ended for an hour', HOUR, 0, 30_000],
  ['the look listed a page', 0, 1, 1050],
  ['the look listed a whole wide array', 0, 10, 1500],
  ['the look listed ten wide arrays', 0, 100, 2000],
  ['it listed much, and nothing has ended for a minute', 60_000, 10, 6000],
])(
  'the next look comes later the less there is to see for its cost: %s',
  (_, idleMs, pages, waitMs) => {
    expect(nextLookMs(idleMs, pages, pace)).toBe(waitMs);
  },
);

test('a job is forgotten only when it is old and was missing for long', () => {
  const now = 10 * HOUR;
  expect(isForgotten({ submittedMs: now - 2 * HOUR, missingSinceMs: now - 11 * 60_000 }, now)).toBe(
    true,
  );
  expect(isForgotten({ submittedMs: now - 2 * HOUR, missingSinceMs: now - 60_000 }, now)).toBe(
    false,
  );
  expect(isForgotten({ submittedMs: now - 60_000, missingSinceMs: now - 11 * 60_000 }, now)).toBe(
    false,
  );
});
