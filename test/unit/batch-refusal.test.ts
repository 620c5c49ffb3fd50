/** Whose fault it is that Batch does not take a submission. */
import { expect, test } from 'vitest';
import { judgeBatchRefusal } from '../../core/submission/batch-refusal.ts';

const of = (message: string, change = {}, because: 'refused' | 'queue-unknown' = 'refused') =>
  judgeBatchRefusal(
    { submissionKey: 'k', queue: 'q', isFleetsQueue: false, sharesAll: false, ...change },
    { because, message },
  );
const SHARE = 'ClientException: shareIdentifier cannot be specified for a queue without a policy';

test('a queue that only the task names is the caller’s mistake, and one of the settings the operator’s', () => {
  expect(of('not found', {}, 'queue-unknown')).toEqual({
    kind: 'queue-unknown',
    sentence:
      'AWS Batch has no job queue q. Name another queue in backend_parameters (queue or queueArn), then submit the task again.',
  });
  expect(of('not found', { isFleetsQueue: true }, 'queue-unknown')).toEqual({
    kind: 'misconfigured',
    sentence:
      'AWS Batch has no job queue q, which is the queue of the fleet. Ask the operator to correct the queue of the fleet, then submit the task again.',
  });
});

test('a share that the queue does not take is the caller’s mistake, unless the fleet gives every job one', () => {
  expect(of(SHARE)).toMatchObject({
    kind: 'request-refused',
    sentence: expect.stringContaining('Give share_identifier in backend_parameters only for'),
  });
  expect(of(SHARE, { sharesAll: true }).kind).toBe('batch-refused');
});

test('any other refusal is told in Batch’s words', () => {
  expect(of('ClientException: Array size must be at most 10000')).toEqual({
    kind: 'batch-refused',
    sentence:
      'AWS Batch rejected submission k to queue q: ClientException: Array size must be at most 10000. Correct what AWS Batch reports, then submit the task again.',
  });
});
