import { expect, test } from 'vitest';
import { joinNudges } from '../../queues/messages.ts';

test('nudges are joined into as few messages as possible, and none is lost', () => {
  const joined = joinNudges(
    [
      { stage: 'finalize', message: { tasks: [1, 2] } },
      { stage: 'submit', message: { shape: 'a' } },
      { stage: 'finalize', message: { tasks: [3] } },
      { stage: 'cache-check', message: { tasks: [9] } },
      { stage: 'submit', message: { shape: 'a' } },
      { stage: 'submit', message: { shape: 'b' } },
      { stage: 'finalize', message: { tasks: [4, 5] } },
    ],
    3,
  );
  expect(joined).toEqual([
    { stage: 'cache-check', message: { tasks: [9] } },
    { stage: 'finalize', message: { tasks: [1, 2, 3] } },
    { stage: 'finalize', message: { tasks: [4, 5] } },
    { stage: 'submit', message: { shape: 'a' } },
    { stage: 'submit', message: { shape: 'b' } },
  ]);
});
