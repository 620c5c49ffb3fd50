import { expect, test } from 'vitest';
import type { Runtime } from '../../workers/runtime.ts';
import { recallQueue } from '../../workers/stages/poll/queue-memory.ts';

// Only its object identity counts.
const runtime = (): Runtime => ({}) as Runtime;

test('a queue is remembered from look to look, and a submission that no longer runs is forgotten', () => {
  const mine = runtime();
  const first = recallQueue(mine, 'q', [1, 2]);
  first.applied.get(1)?.add(7);
  first.lastEndMs = 5;
  const missing = { sinceMs: 20, looks: 2 };
  first.missing.set(1, missing).set(2, missing);
  first.waitingReasons.set(1, 'CAPACITY:x').set(2, 'CAPACITY:y');
  first.troubles.set(1, 2).set(2, 1);
  first.unwritten.get(1)?.set(7, 3);
  expect(recallQueue(mine, 'q', [1, 3])).toEqual({
    lastEndMs: 5,
    applied: new Map([
      [1, new Set([7])],
      [3, new Set()],
    ]),
    missing: new Map([[1, missing]]),
    waitingReasons: new Map([[1, 'CAPACITY:x']]),
    troubles: new Map([[1, 2]]),
    unwritten: new Map([
      [1, new Map([[7, 3]])],
      [3, new Map()],
    ]),
  });
  recallQueue(mine, 'q', []);
  expect(recallQueue(mine, 'q', [1]).applied).toEqual(new Map([[1, new Set()]]));
});

test('each queue of each process has a memory of its own', () => {
  const mine = runtime();
  recallQueue(mine, 'q', [1]).applied.get(1)?.add(7);
  for (const other of [recallQueue(mine, 'other', [1]), recallQueue(runtime(), 'q', [1])])
    expect(other).toEqual({
      lastEndMs: 0,
      applied: new Map([[1, new Set()]]),
      missing: new Map(),
      waitingReasons: new Map(),
      troubles: new Map(),
      unwritten: new Map([[1, new Map()]]),
    });
});
