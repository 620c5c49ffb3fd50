import { expect, test } from 'vitest';
import type { Runtime } from '../../workers/runtime.ts';
import { newProgress, recallQueue } from '../../workers/stages/poll/queue-memory.ts';

// Only its object identity counts.
const runtime = (): Runtime => ({}) as Runtime;

test('a queue is remembered from look to look, and a submission that no longer runs is forgotten', () => {
  const mine = runtime();
  const first = recallQueue(mine, 'q', [1, 2]);
  const progress = first.progress.get(1);
  progress?.known.add(7);
  progress?.unwritten.set(7, 3);
  first.lastEndMs = 5;
  const missing = { sinceMs: 20, looks: 2 };
  first.missing.set(1, missing).set(2, missing);
  first.waitingReasons.set(1, 'CAPACITY:x').set(2, 'CAPACITY:y');
  first.troubles.set(1, 2).set(2, 1);
  expect(recallQueue(mine, 'q', [1, 3])).toEqual({
    lastEndMs: 5,
    progress: new Map([
      [1, { ...newProgress(), known: new Set([7]), unwritten: new Map([[7, 3]]) }],
      [3, newProgress()],
    ]),
    missing: new Map([[1, missing]]),
    waitingReasons: new Map([[1, 'CAPACITY:x']]),
    troubles: new Map([[1, 2]]),
  });
  recallQueue(mine, 'q', []);
  expect(recallQueue(mine, 'q', [1]).progress).toEqual(new Map([[1, newProgress()]]));
});

test('each queue of each process has a memory of its own', () => {
  const mine = runtime();
  recallQueue(mine, 'q', [1]).progress.get(1)?.known.add(7);
  for (const other of [recallQueue(mine, 'other', [1]), recallQueue(runtime(), 'q', [1])])
    expect(other).toEqual({
      lastEndMs: 0,
      progress: new Map([[1, newProgress()]]),
      missing: new Map(),
      waitingReasons: new Map(),
      troubles: new Map(),
    });
});
