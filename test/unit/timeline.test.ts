import { expect, test } from 'vitest';
import { timelineOf, type TaskTimes } from '../../core/timeline.ts';

const show = (times: TaskTimes): string[] => timelineOf(times).map(({ what, attempt, fromMs, toMs }) => `${what}${attempt === undefined ? '' : ` ${attempt}`} ${fromMs}-${toMs ?? ''}`);
const attempt = { number: 1, createdMs: 10, submittedMs: 20, runningMs: 25, ran: { startedMs: 30, endedMs: 50 }, endedMs: 60 };

test.each<[string, TaskTimes, string[]]>([
  ['just made', { createdMs: 1, attempts: [] }, ['checked 1-']],
  ['a hit', { createdMs: 1, endedMs: 5, attempts: [] }, ['checked 1-5']],
  ['packed', { createdMs: 1, attempts: [{ number: 1, createdMs: 10 }] }, ['checked 1-10', 'packed 1 10-']],
  ['in Batch', { createdMs: 1, attempts: [{ number: 1, createdMs: 10, submittedMs: 20 }] }, ['checked 1-10', 'packed 1 10-20', 'in-batch 1 20-']],
  ['running', { createdMs: 1, attempts: [{ number: 1, createdMs: 10, submittedMs: 20, runningMs: 25 }] }, ['checked 1-10', 'packed 1 10-20', 'in-batch 1 20-25', 'ran 1 25-']],
  ['done', { createdMs: 1, endedMs: 70, attempts: [attempt] }, ['checked 1-10', 'packed 1 10-20', 'in-batch 1 20-30', 'ran 1 30-50', 'end-unseen 1 50-60', 'finalized 60-70']],
  ['run again', { createdMs: 1, endedMs: 99, attempts: [{ number: 1, createdMs: 10, submittedMs: 20, endedMs: 40 }, { ...attempt, number: 2, createdMs: 45, submittedMs: 50, ran: { startedMs: 60, endedMs: 80 }, endedMs: 90 }] },
    ['checked 1-10', 'packed 1 10-20', 'in-batch 1 20-40', 'waited-for-retry 2 40-45', 'packed 2 45-50', 'in-batch 2 50-60', 'ran 2 60-80', 'end-unseen 2 80-90', 'finalized 90-99']],
  ['cancelled in Batch', { createdMs: 1, endedMs: 33, attempts: [{ number: 1, createdMs: 10, submittedMs: 20 }] }, ['checked 1-10', 'packed 1 10-20', 'in-batch 1 20-33']],
  ['a host whose clock is behind', { createdMs: 1, endedMs: 70, attempts: [{ ...attempt, ran: { startedMs: 5, endedMs: 15 } }] }, ['checked 1-10', 'packed 1 10-20', 'in-batch 1 20-20', 'ran 1 20-20', 'end-unseen 1 20-60', 'finalized 60-70']],
])('%s', (_, times, spans) => {
  expect(show(times)).toEqual(spans);
});
