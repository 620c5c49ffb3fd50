import { expect, test } from 'vitest';
import { forgottenJob, isForgotten, missingJobs } from '../../core/submission/forgotten-job.ts';
import { hasNews, type CountedJob } from '../../core/submission/job-status.ts';
import { lastChangeMs, nextLookMs } from '../../core/submission/poll-pace.ts';
import { reasonToShow, waitingReasonOf } from '../../core/submission/waiting-reason.ts';

const pace = { pollMs: 1000, slowestMs: 30_000 };
const HOUR = 3_600_000;

test.each([
  ['something has just ended', 0, 0, 1000],
  ['nothing has ended for a minute', 60_000, 0, 6000],
  ['nothing has ended for an hour', HOUR, 0, 30_000],
  ['the look listed a page', 0, 1, 1050],
  ['the look listed a whole wide array', 0, 10, 1500],
  ['the look listed ten wide arrays', 0, 100, 2000],
  ['the look listed much, and nothing has ended for a minute', 60_000, 10, 6000],
])('the next look comes later the less it finds for its cost: %s', (_, idleMs, pages, waitMs) => {
  expect(nextLookMs(idleMs, pages, pace)).toBe(waitMs);
});

test('the last change of a queue is an end, a submission or a cancel, whichever came last', () => {
  const running = [
    { submittedMs: 20, cancelMs: null },
    { submittedMs: null, cancelMs: 30 },
  ];
  expect(lastChangeMs(running, 10)).toBe(30);
  expect(lastChangeMs(running, 40)).toBe(40);
});

const now = 10 * HOUR;

test.each([
  ['old and missing for long', now - 2 * HOUR, now - 11 * 60_000, 5, true],
  ['old and missing for a moment', now - 2 * HOUR, now - 60_000, 5, false],
  ['young and missing for long', now - 60_000, now - 11 * 60_000, 5, false],
  [
    'old and missing for long, at two looks between which the host slept,',
    now - 2 * HOUR,
    1,
    2,
    false,
  ],
])(
  'a job that is %s is forgotten: %s, %s, %s -> %s',
  (_, submittedMs, sinceMs, looks, forgotten) => {
    expect(isForgotten({ submittedMs, missing: { sinceMs, looks } }, now)).toBe(forgotten);
  },
);

test('a job is missing since the first look that lacked it, and no longer once it is seen', () => {
  const running = [
    { id: 1, jobId: 'a' },
    { id: 2, jobId: 'b' },
    { id: 3, jobId: 'c' },
  ];
  const before = new Map([
    [1, { sinceMs: 5, looks: 4 }],
    [2, { sinceMs: 6, looks: 1 }],
    [9, { sinceMs: 7, looks: 1 }],
  ]);
  expect(missingJobs(before, running, { seen: new Map([['b', {}]]), nowMs: 8 })).toEqual(
    new Map([
      [1, { sinceMs: 5, looks: 5 }],
      [3, { sinceMs: 8, looks: 1 }],
    ]),
  );
});

test('a forgotten array counts as one whose every child failed', () => {
  const array = { jobId: 'a', size: 3, submittedMs: now - 2 * HOUR, createdMs: 1 };
  const missing = { sinceMs: now - 11 * 60_000, looks: 9 };
  expect(forgottenJob(array, missing, now)).toEqual({
    jobId: 'a',
    status: 'FAILED',
    createdMs: 1,
    statusReason: 'AWS Batch no longer knows the job',
    counts: { FAILED: 3 },
  });
  expect(forgottenJob({ ...array, size: 1 }, missing, now)).not.toHaveProperty('counts');
  expect(forgottenJob(array, undefined, now), 'missing for the first time').toBeUndefined();
  expect(
    forgottenJob({ ...array, submittedMs: null }, missing, now),
    'just submitted',
  ).toBeUndefined();
});

test.each<[string, number | null, CountedJob, boolean]>([
  ['whose job runs', null, { status: 'RUNNING' }, false],
  ['with as many ends as MySQL knows', null, { status: 'RUNNING', counts: { FAILED: 2 } }, false],
  ['with one more end', null, { status: 'RUNNING', counts: { FAILED: 2, SUCCEEDED: 1 } }, true],
  ['that was cancelled', 5, { status: 'RUNNING' }, true],
])('a submission %s has news: %s, %s -> %s', (_, cancelMs, job, news) => {
  expect(hasNews({ size: 5, open: 3, cancelMs }, job)).toBe(news);
});

test.each([
  ['RUNNABLE', 'CAPACITY:x - y', 'CAPACITY:x - y'],
  ['PENDING', 'MISCONFIGURATION:x', 'MISCONFIGURATION:x'],
  ['RUNNING', 'CAPACITY:x', undefined],
  ['RUNNABLE', 'in words only', undefined],
  ['RUNNABLE', undefined, undefined],
])('a job in %s with the status reason %s waits because of: %s', (status, statusReason, reason) => {
  expect(waitingReasonOf({ status, ...(statusReason !== undefined && { statusReason }) })).toBe(
    reason,
  );
});

test.each([
  ['said for the first time is not shown yet', 'a', undefined, null, null],
  ['said twice is shown', 'a', 'a', null, 'a'],
  ['no longer said is not shown', undefined, 'a', 'a', null],
  ['that changes leaves the old one until it is said twice', 'b', 'a', 'a', 'a'],
])('a waiting reason %s', (_, said, saidBefore, shown, toShow) => {
  expect(reasonToShow({ said, saidBefore, shown })).toBe(toShow);
});
