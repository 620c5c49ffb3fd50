import { expect, test } from 'vitest';
import { newProgress, noteLost, noteStart } from '../../workers/stages/poll/queue-memory.ts';

const start = (index: number, attempt: number, startedMs: number) => ({
  index,
  attempt,
  startedMs,
});

test('the start of a lost host is not believed when it is listed again, and the next one is', () => {
  const progress = newProgress();
  noteStart(progress, start(3, 1, 1000));
  expect([...progress.starts]).toEqual([[3, 1000]]);
  progress.starts.clear();
  progress.running.add(3);
  noteLost(progress, [3]);
  expect(progress.running.has(3)).toBe(false);
  // A listing of all results shows it once more.
  noteStart(progress, start(3, 1, 1000));
  expect([...progress.starts]).toEqual([]);
  noteStart(progress, start(3, 2, 5000));
  expect([...progress.starts]).toEqual([[3, 5000]]);
});

test('of several starts the one of the latest attempt counts, in any order', () => {
  for (const order of [
    [1, 2],
    [2, 1],
  ]) {
    const progress = newProgress();
    for (const attempt of order) noteStart(progress, start(0, attempt, attempt * 1000));
    expect([...progress.starts]).toEqual([[0, 2000]]);
  }
});

test('a child that runs or has ended is not started by what a listing shows again', () => {
  const progress = newProgress();
  progress.running.add(1);
  progress.over.add(2);
  for (const index of [1, 2]) noteStart(progress, start(index, 1, 1000));
  expect([...progress.starts]).toEqual([]);
});
