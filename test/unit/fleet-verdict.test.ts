/** What the page says first of a fleet. */
import { expect, test } from 'vitest';
import {
  blameOf,
  drainOf,
  holdUpOf,
  problemsOf,
  type StageFacts,
} from '../../core/fleet/verdict.ts';
import { stages, type Stage } from '../../core/places.ts';

const factsOf = (more: Partial<Record<Stage, Partial<StageFacts>>> = {}): StageFacts[] =>
  stages.map((stage) => ({
    stage,
    waiting: 0,
    oldestSeconds: 0,
    messages: 0,
    messageSeconds: 0,
    laidAside: 0,
    isPaused: false,
    workers: 1,
    active: 0,
    concurrency: 4,
    ...more[stage],
  }));

const fleet = (more: Partial<Record<Stage, Partial<StageFacts>>> = {}) => ({
  stages: factsOf(more),
  running: 0,
  heldUp: 0,
  silentWorkers: [],
});

const messages = (facts: Parameters<typeof problemsOf>[0]) =>
  problemsOf(facts).map(({ severity, message }) => `${severity}: ${message}`);

test('a fleet whose stages all have workers has no problem', () => {
  expect(problemsOf(fleet())).toEqual([]);
});

test('a stage without workers fails, and comes before warnings', () => {
  expect(messages(fleet({ 'cache-check': { isPaused: true }, submit: { workers: 0 } }))).toEqual([
    'failing: No worker runs submit.',
    'warning: The stage cache-check is paused.',
  ]);
});

test('without Redis nothing else is said of stages, since nothing is known of them', () => {
  expect(messages({ ...fleet({ poll: { workers: 0 } }), redisAway: 'ECONNREFUSED' })).toEqual([
    'failing: Redis is unavailable: ECONNREFUSED.',
  ]);
});

test('messages that were laid aside, that wait long, silent workers and held-up tasks are warnings', () => {
  const facts = {
    ...fleet({
      finalize: { laidAside: 1 },
      submit: { messages: 12, messageSeconds: 90 },
      poll: { messages: 3, messageSeconds: 5 },
    }),
    heldUp: 30,
    silentWorkers: ['w-1'],
  };
  expect(messages(facts)).toEqual([
    'warning: The first of 12 messages of submit has waited for 90 s.',
    'warning: 1 message of finalize failed too many times and was laid aside.',
    'warning: Worker w-1 is silent.',
    'warning: AWS says why 30 tasks cannot start.',
  ]);
});

test('the stage with most waiting tasks holds it up, and its facts say why', () => {
  const why = (more: Partial<Record<Stage, Partial<StageFacts>>>) => holdUpOf(fleet(more)).message;
  expect(why({})).toBe('Nothing: there is no work.');
  expect(holdUpOf({ ...fleet(), running: 2 }).message).toBe('Nothing: 2 tasks run.');
  expect(why({ poll: { waiting: 9000 }, submit: { waiting: 10 } })).toBe(
    '9,000 tasks at poll: they wait in AWS Batch for a host.',
  );
  expect(why({ finalize: { waiting: 1, isPaused: true } })).toBe(
    '1 task at finalize: the stage is paused.',
  );
  expect(why({ finalize: { waiting: 5, active: 4 } })).toBe(
    '5 tasks at finalize: all of its workers are busy.',
  );
  expect(why({ submit: { waiting: 5, workers: 0 } })).toBe(
    '5 tasks at submit: no worker runs this stage.',
  );
});

test('who has more of the waiting tasks is to blame', () => {
  expect(blameOf(fleet())).toMatchObject({ who: 'nobody' });
  expect(blameOf(fleet({ poll: { waiting: 30 }, submit: { waiting: 2 } }))).toEqual({
    who: 'batch',
    batch: 30,
    batchwell: 2,
    message: 'AWS Batch: 30 tasks wait there, and 2 here.',
  });
  expect(blameOf(fleet({ poll: { waiting: 1 }, finalize: { waiting: 2 } })).who).toBe('batchwell');
});

test('the backlog is gone at the rate of the latest ends, and never while none ends', () => {
  expect(drainOf(600, { tasks: 100, windowMs: 60_000 })).toEqual({
    backlog: 600,
    perMinute: 100,
    seconds: 360,
  });
  expect(drainOf(600, { tasks: 0, windowMs: 60_000 })).toEqual({ backlog: 600, perMinute: 0 });
  expect(drainOf(0, { tasks: 0, windowMs: 60_000 }).seconds).toBe(0);
});
