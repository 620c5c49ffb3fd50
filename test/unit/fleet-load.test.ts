import { expect, it } from 'vitest';
import {
  loadByPlace,
  runningShares,
  tasksByOwner,
  waitsByQueue,
  type OpenSubmissions,
} from '../../core/fleet/load.ts';
import { chooseOwners, sumByOwner } from '../../core/fleet/owners.ts';
import { spansOfRun } from '../../core/fleet/spans.ts';
import { nextCountMs } from '../../workers/upkeep/fleet-count/fleet-count.ts';

const submission: OpenSubmissions = {
  owner: 'ann',
  queue: 'spot',
  jobDefinitionId: 1,
  isInBatch: true,
  isStarted: true,
  isHeldUp: false,
  open: 300,
  running: 2,
  oldestMs: 40_000,
};

it('a task counts at the place where it is, with the age of the oldest one there', () => {
  const rows = {
    loose: [
      { owner: 'ann', place: 'submit' as const, tasks: 5, oldestMs: 90_000 },
      { owner: 'bob', place: 'submit' as const, tasks: 7, oldestMs: 70_000 },
    ],
    submissions: [submission, { ...submission, owner: 'bob', isInBatch: false, open: 2 }],
  };
  const loads = loadByPlace(rows, 100_000);
  expect(loads.get('submit')).toEqual({ tasks: 14, oldestSeconds: 60 });
  expect(loads.get('poll')).toEqual({ tasks: 300, oldestSeconds: 60 });
  expect(loads.get('finalize')).toEqual({ tasks: 0, oldestSeconds: 0 });
  expect(tasksByOwner(rows)).toEqual(
    new Map([
      ['ann', 305],
      ['bob', 9],
    ]),
  );
});

it('an array of which two children run does not count as one that runs whole', () => {
  const [share] = runningShares(
    { loose: [], submissions: [submission] },
    {
      asked: new Map([[1, { vcpus: 4, gib: 8 }]]),
      rateOf: () => ({ vcpuHour: 1, gibHour: 0.5 }),
    },
  );
  expect(share?.running).toBeCloseTo(2);
  expect(share?.vcpus).toBeCloseTo(8);
  expect(share?.costPerHour).toBeCloseTo(16);
});

it('a queue tells how long its oldest submission waits, and how many tasks are held up', () => {
  const waits = waitsByQueue(
    {
      loose: [],
      submissions: [
        submission,
        { ...submission, isStarted: false, oldestMs: 10_000 },
        { ...submission, isStarted: false, isHeldUp: true, open: 3, oldestMs: 30_000 },
      ],
    },
    100_000,
  );
  expect(waits).toEqual(new Map([['spot', { oldestSeconds: 90, heldUp: 3 }]]));
});

it('at most 20 owners have a name of their own, the busiest ones, and the rest is other', () => {
  const tasks = new Map(
    Array.from({ length: 30 }, (_, index): [string, number] => [`owner-${index}`, index + 1]),
  );
  const named = chooseOwners(tasks, new Set(['idle', 'owner-0']));
  expect(named.size).toBe(20);
  expect(named.has('owner-29')).toBe(true);
  expect(named.has('owner-9')).toBe(false);
  expect(named.has('idle')).toBe(false);
  const sums = sumByOwner(
    [...tasks].map(([owner, count]) => ({ owner, count })),
    named,
    ({ count }) => count,
  );
  expect(sums.get('other')).toBe(55);
  expect(sums.size).toBe(21);
});

it('an owner without tasks keeps its series until another one needs it', () => {
  const few = new Map([['ann', 1]]);
  expect(chooseOwners(few, new Set(['bob']))).toEqual(new Set(['ann', 'bob']));
  expect(chooseOwners(few, new Set(['bob']), 1)).toEqual(new Set(['ann']));
  expect(chooseOwners(new Map([['other', 9]]), new Set())).toEqual(new Set());
});

it('no span is negative when the clock of a host is ahead', () => {
  expect(
    spansOfRun({
      acceptedMs: 1000,
      submittedMs: 3000,
      startedMs: 2000,
      endedMs: 9000,
      seenMs: 8000,
    }),
  ).toEqual([
    { span: 'accepted-submitted', ms: 2000 },
    { span: 'submitted-started', ms: 0 },
    { span: 'started-ended', ms: 7000 },
    { span: 'ended-seen', ms: 0 },
  ]);
});

it('a count that takes long is made less often, but at least every five minutes', () => {
  expect(nextCountMs(10, 15_000)).toBe(15_000);
  expect(nextCountMs(2000, 15_000)).toBe(100_000);
  expect(nextCountMs(60_000, 15_000)).toBe(300_000);
  expect(nextCountMs(60_000, 3_600_000)).toBe(3_600_000);
});
