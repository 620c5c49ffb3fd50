import { describe, expect, test } from 'vitest';
import { withDatabaseAway } from '../../api/tasks/last-known-views.ts';
import type { AwsWait } from '../../core/waiting/aws-waits.ts';
import { blockedSentence } from '../../core/submission/waiting-reason.ts';
import {
  decideWaiting,
  spellTime,
  type WaitingFacts,
  type WaitingSubmission,
} from '../../core/waiting/waiting.ts';

const NOW = Date.parse('2026-11-29T19:20:00Z');
const MOVED = Date.parse('2026-11-29T19:15:00Z');
const BEFORE = Date.parse('2026-11-28T07:05:00Z');

const at = (place: WaitingFacts['place'], more: Partial<WaitingFacts> = {}): WaitingFacts => ({
  place,
  running: false,
  movedMs: MOVED,
  ...more,
});
const packed: WaitingSubmission = { createdMs: MOVED, queue: 'spot' };
const held = (kind: AwsWait, words: string): WaitingSubmission => ({
  ...packed,
  submittedMs: MOVED,
  aws: { for: kind, sinceMs: MOVED, words },
});
const decide = (facts: WaitingFacts) => decideWaiting(facts, { packLongestMs: 10_000 }, NOW);

const DENIED =
  'AccessDeniedException: User: arn:aws:sts::1:x is not authorized to perform: batch:SubmitJob on resource: y';

describe('a task that waits', () => {
  const cases: [string, WaitingFacts, string, string][] = [
    [
      'for a worker',
      at('cache-check'),
      'worker',
      'It has waited for a cache-check worker since 19:15 UTC.',
    ],
    [
      'for an equal task of its owner',
      at('cache-check', { leader: { id: 'task-1-ab' } }),
      'equal-call',
      'An equal task, task-1-ab, is being computed.',
    ],
    [
      'for an equal task of another owner',
      at('cache-check', { leader: {} }),
      'equal-call',
      'An equal task is being computed.',
    ],
    [
      'for its script',
      at('stage-script', {
        script: { words: blockedSentence('AccessDenied: s3:PutObject'), sinceMs: BEFORE },
      }),
      'permission',
      'AWS denies PutObject since 2026-11-28 07:05 UTC: AccessDenied: s3:PutObject.',
    ],
    [
      'for company',
      at('submit'),
      'company',
      'It waits for tasks of its shape, to be submitted with them, until 19:15 UTC at the latest.',
    ],
    [
      'for room within the limit of its owner',
      at('submit', { owner: { limit: 4, inBatch: 4 } }),
      'owner-limit',
      'Its owner may have 4 attempts in AWS Batch at once, and has 4.',
    ],
    [
      'for company, where its owner has room',
      at('submit', { owner: { limit: 4, inBatch: 3 } }),
      'company',
      'It waits for tasks of its shape',
    ],
    [
      'after a fault of its host',
      at('submit', { retryMs: NOW + 60_000 }),
      'retry-pause',
      'It is submitted again after 19:21 UTC.',
    ],
    [
      'to be submitted',
      at('submit', { submission: packed }),
      'submission',
      'It is packed, and is about to be submitted to the job queue spot.',
    ],
    [
      'for a permission',
      at('submit', { submission: held('permission', blockedSentence(DENIED)) }),
      'permission',
      `AWS denies SubmitJob since 19:15 UTC: ${DENIED}. Batchwell tries again until an operator`,
    ],
    [
      'for a queue that is off',
      at('submit', { submission: held('queue-disabled', 'JobQueue spot is not ENABLED.') }),
      'queue-disabled',
      'The job queue spot is disabled since 19:15 UTC: JobQueue spot is not ENABLED.',
    ],
    [
      'while AWS throttles',
      at('submit', { submission: held('throttling', 'TooManyRequestsException: slow') }),
      'throttling',
      'AWS throttles the fleet since 19:15 UTC: TooManyRequestsException: slow.',
    ],
    [
      'for capacity',
      at('poll', { submission: { ...packed, submittedMs: MOVED, ahead: 120 } }),
      'capacity',
      'It has waited in the job queue spot since 19:15 UTC. 120 tasks of this fleet are ahead of it.',
    ],
    [
      'for capacity as the next',
      at('poll', { submission: { ...packed, submittedMs: MOVED, ahead: 0 } }),
      'capacity',
      'since 19:15 UTC. No task of this fleet is ahead of it.',
    ],
    [
      'for capacity, and Batch says so',
      at('poll', {
        submission: {
          ...held('capacity', 'CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - none'),
          ahead: 1,
        },
      }),
      'capacity',
      '1 task of this fleet is ahead of it. AWS Batch says: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - none',
    ],
    [
      'for ever',
      at('poll', {
        submission: held('misconfiguration', 'MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too big'),
      }),
      'misconfiguration',
      'AWS Batch says since 19:15 UTC that no host of the job queue spot can run it: MISCONFIGURATION',
    ],
    [
      'for Redis, whatever else it waits for',
      at('submit', { submission: held('permission', DENIED), redisAwayMs: MOVED }),
      'redis',
      'Redis has not answered since 19:15 UTC',
    ],
    [
      'for capacity, also while Redis is away',
      at('poll', { submission: packed, redisAwayMs: MOVED }),
      'capacity',
      'It has waited in the job queue spot since 19:15 UTC.',
    ],
  ];

  test.each(cases)('a task that waits %s says so, and since when', (_, facts, kind, words) => {
    const waiting = decide(facts);
    expect(waiting?.for).toBe(kind);
    expect(waiting?.message).toContain(words);
  });

  test.each([
    at('poll', { running: true }),
    at('finalize'),
    at('done'),
    at('failed'),
    at('cancelled'),
  ])('a task that runs or has ended waits for nothing: %o', (facts) => {
    expect(decide({ ...facts, redisAwayMs: MOVED })).toBeUndefined();
  });

  test('the equal task is named only where it is of the same owner', () => {
    expect(decide(at('cache-check', { leader: { id: 'task-1-ab' } }))?.task).toBe('task-1-ab');
    expect(decide(at('cache-check', { leader: {} }))).not.toHaveProperty('task');
  });
});

test('a time of another day has its date', () => {
  expect(spellTime(MOVED, NOW)).toBe('19:15 UTC');
  expect(spellTime(BEFORE, NOW)).toBe('2026-11-28 07:05 UTC');
});

test('while the database is away, a task that had not ended says so, and one that had is as it was', () => {
  const log = { logs: [], outputs: [], metadata: { queue: 'spot' } };
  const body = { id: 't', state: 'QUEUED', executors: [], logs: [log] } as const;
  const known = { ...body, logs: [log], executors: [], creation_time: '' };
  expect(withDatabaseAway(known, MOVED, NOW)).toMatchObject({
    logs: [
      {
        metadata: {
          queue: 'spot',
          waiting: expect.stringContaining('The database has not answered since 19:15 UTC'),
          waiting_for: 'database',
          waiting_since: '2026-11-29T19:15:00.000Z',
        },
      },
    ],
  });
  const ended = { ...known, state: 'COMPLETE' as const };
  expect(withDatabaseAway(ended, MOVED, NOW)).toBe(ended);
  const minimal = { id: 't', state: 'RUNNING' as const };
  expect(withDatabaseAway(minimal, MOVED, NOW)).toBe(minimal);
});
