import { expect, test } from 'vitest';
import {
  learnOffset,
  nextTick,
  offsetMs,
  type ClockKnowledge,
  type ClockReading,
} from '../../core/fleet-clock.ts';
import { createRandom } from '../../packages/local-aws/random.ts';

/** A reading at a monotonic time, with these ways there and back. */
const reading = (atMs: number, trueOffsetMs: number, [there, back] = [1, 1]): ClockReading => ({
  sentMs: atMs,
  databaseMs: Math.round(atMs + there + trueOffsetMs),
  receivedMs: atMs + there + back,
});
const learnAll = (readings: readonly ClockReading[]): ClockKnowledge =>
  readings.reduce<ClockKnowledge>(learnOffset, {});
const learned = ({ known }: ClockKnowledge): number => (known ? offsetMs(known) : Number.NaN);

test('the fleet’s clock is right within half of the quickest answer, however slow the others are', () => {
  const random = createRandom(7);
  for (let world = 0; world < 200; world += 1) {
    const offset = 1_700_000_000_000 + Math.round(random() * 1_200_000);
    const ways = Array.from({ length: 10 }, (): [number, number] => [
      random() * 5000,
      random() * 5000,
    ]);
    const quickestMs = Math.min(...ways.map(([there, back]) => there + back));
    const knowledge = learnAll(ways.map((way, at) => reading(at * 10_000, offset, way)));
    // Two milliseconds of rounding, and what two clocks may drift apart within the story.
    expect(Math.abs(learned(knowledge) - offset)).toBeLessThan(quickestMs / 2 + 2 + 60);
  }
});

test('one wild reading changes nothing', () => {
  const right = learnAll([reading(0, 1000), reading(10_000, 1000)]);
  const doubting = learnOffset(right, reading(20_000, 999_000));
  expect(learned(doubting)).toBe(learned(right));
  const after = learnOffset(doubting, reading(20_200, 1000));
  expect(learned(after)).toBeCloseTo(1000, 0);
  expect(after.doubted).toBeUndefined();
});

test('two different wild readings change nothing', () => {
  const right = learnAll([reading(0, 1000)]);
  const twice = learnOffset(learnOffset(right, reading(1, 500_000)), reading(2, 700_000));
  expect(learned(twice)).toBe(learned(right));
});

test.each([600_000, -600_000, 5000])(
  'a database whose clock is %i ms away from the one before is followed at its second reading',
  (stepMs) => {
    const before = learnAll([reading(0, 1000), reading(10_000, 1000)]);
    const after = learnOffset(
      learnOffset(before, reading(20_000, 1000 + stepMs)),
      reading(20_200, 1000 + stepMs),
    );
    expect(Math.round(learned(after))).toBe(1000 + stepMs);
  },
);

test('a clock that is slewed is followed without a step', () => {
  let knowledge: ClockKnowledge = {};
  for (let at = 0; at < 100; at += 1)
    knowledge = learnOffset(knowledge, reading(at * 10_000, 1000 + at * 4));
  expect(knowledge.doubted).toBeUndefined();
  expect(Math.abs(learned(knowledge) - (1000 + 99 * 4))).toBeLessThan(10);
});

test('time within a process waits out a small step back, and follows a large one', () => {
  expect(nextTick(1000, 1001)).toBe(1001);
  expect(nextTick(1000, 990)).toBe(1000);
  expect(nextTick(600_000, 1000)).toBe(1000);
});
