import { expect, test } from 'vitest';
import { timelineOf, type TaskTimes } from '../../core/task/timeline.ts';

const show = (times: TaskTimes): string[] =>
  timelineOf(times).map(
    ({ what, attempt, fromMs, toMs }) =>
      `${what}${attempt === undefined ? '' : ` ${attempt}`} ${fromMs}-${toMs ?? ''}`,
  );
const attempt = {
  number: 1,
  createdMs: 10,
  submittedMs: 20,
  startedMs: 25,
  ran: { startedMs: 30, endedMs: 50 },
  endedMs: 60,
};

const made = { createdMs: 1, isHit: false };
const staged = { ...made, checkedMs: 4, stagedMs: 8 };
const before = ['cache-check 1-4', 'stage-script 4-8', 'waited-for-company 8-10'];

test.each<[string, TaskTimes, string[]]>([
  ['just made', { ...made, attempts: [] }, ['cache-check 1-']],
  ['checked', { ...made, checkedMs: 4, attempts: [] }, ['cache-check 1-4', 'stage-script 4-']],
  [
    'staged',
    { ...staged, attempts: [] },
    ['cache-check 1-4', 'stage-script 4-8', 'waited-for-company 8-'],
  ],
  [
    'a hit',
    { createdMs: 1, isHit: true, checkedMs: 4, endedMs: 5, attempts: [] },
    ['cache-check 1-4', 'finalized 4-5'],
  ],
  ['cancelled at once', { ...made, endedMs: 3, attempts: [] }, ['cache-check 1-3']],
  ['packed', { ...staged, attempts: [{ number: 1, createdMs: 10 }] }, [...before, 'packed 1 10-']],
  [
    'in Batch',
    { ...staged, attempts: [{ number: 1, createdMs: 10, submittedMs: 20 }] },
    [...before, 'packed 1 10-20', 'in-batch 1 20-'],
  ],
  [
    'running',
    { ...staged, attempts: [{ number: 1, createdMs: 10, submittedMs: 20, startedMs: 25 }] },
    [...before, 'packed 1 10-20', 'in-batch 1 20-25', 'ran 1 25-'],
  ],
  [
    'done',
    { ...staged, endedMs: 70, attempts: [attempt] },
    [
      ...before,
      'packed 1 10-20',
      'in-batch 1 20-30',
      'ran 1 30-50',
      'end-unseen 1 50-60',
      'finalized 60-70',
    ],
  ],
  [
    'run again',
    {
      ...staged,
      endedMs: 99,
      attempts: [
        { number: 1, createdMs: 10, submittedMs: 20, endedMs: 40 },
        {
          ...attempt,
          number: 2,
          createdMs: 45,
          submittedMs: 50,
          ran: { startedMs: 60, endedMs: 80 },
          endedMs: 90,
        },
      ],
    },
    [
      ...before,
      'packed 1 10-20',
      'in-batch 1 20-40',
      'waited-for-retry 2 40-45',
      'packed 2 45-50',
      'in-batch 2 50-60',
      'ran 2 60-80',
      'end-unseen 2 80-90',
      'finalized 90-99',
    ],
  ],
  [
    'cancelled in Batch',
    { ...staged, endedMs: 33, attempts: [{ number: 1, createdMs: 10, submittedMs: 20 }] },
    [...before, 'packed 1 10-20', 'in-batch 1 20-33'],
  ],
  [
    'done on a host whose clock is behind',
    { ...staged, endedMs: 70, attempts: [{ ...attempt, ran: { startedMs: 5, endedMs: 15 } }] },
    [
      ...before,
      'packed 1 10-20',
      'in-batch 1 20-20',
      'ran 1 20-20',
      'end-unseen 1 20-60',
      'finalized 60-70',
    ],
  ],
])('the timeline of a task that is %s names each span', (_, times, spans) => {
  expect(show(times)).toEqual(spans);
});
