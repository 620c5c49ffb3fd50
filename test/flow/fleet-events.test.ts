import { afterEach, beforeEach, expect, test } from 'vitest';
import { startSqs, type LocalSqs } from '../sqs.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
let sqs: LocalSqs;
beforeEach(async () => {
  sqs = await startSqs();
  process.env['AWS_ENDPOINT_URL_SQS'] = sqs.url;
  // Without events, the next look and the sweeper would come only after ten minutes.
  world = await startFleetWorld({
    BATCHWELL_JOB_EVENTS_URL: sqs.queueUrl,
    BATCHWELL_POLL_SLOWEST_MS: '600000',
    BATCHWELL_STALL_MS: '600000',
  });
});
afterEach(async () => {
  await world.close();
  await sqs.close();
  delete process.env['AWS_ENDPOINT_URL_SQS'];
});

const event = (status: string, queue = 'batchwell') =>
  JSON.stringify({
    version: '0',
    id: 'e',
    'detail-type': 'Batch Job State Change',
    source: 'aws.batch',
    detail: {
      jobId: 'j',
      jobName: 'n',
      status,
      jobQueue: `arn:aws:batch:us-east-1:123456789012:job-queue/${queue}`,
    },
  });

test('an event that a job ended makes the fleet look at once; other, foreign and malformed events do not', async () => {
  const { promise: go, resolve: open } = Promise.withResolvers<void>();
  world.behave(() => ({ until: go }));
  const { runtime } = await world.startWorkers();
  const ids = await world.accept(
    manyTasks(3, (at) => newTask(`t${at}`)),
    's',
  );
  await world.until('them to run', () => world.batch.ledger.summary().running === 3);
  await world.until('the look after the submission', () => world.asked('batch.DescribeJobs') > 0);
  open();
  await world.until('their ends', () => world.batch.ledger.summary().running === 0);

  const looks = world.asked('batch.DescribeJobs');
  for (const body of ['no JSON', '{}', event('RUNNING'), event('SUCCEEDED', 'another')])
    sqs.send(body);
  await world.until('the removal of all', () => sqs.left().waiting + sqs.left().received === 0);
  expect(world.asked('batch.DescribeJobs'), 'no look for those').toBe(looks);
  expect((await world.tasks(ids)).map(({ place }) => place)).toEqual(['poll', 'poll', 'poll']);

  for (let times = 0; times < 12; times += 1) sqs.send(event('SUCCEEDED'));
  expect((await world.ended(ids)).map(({ place }) => place)).toEqual(['done', 'done', 'done']);
  await world.until('the removal of all', () => sqs.left().waiting + sqs.left().received === 0);
  const counts = Object.fromEntries(
    (await runtime.metrics.jobEvents.get()).values.map(({ labels, value }) => [labels.kind, value]),
  );
  expect(counts).toEqual({ ended: 13, other: 1, malformed: 2 });
});

test('a worker that waits for events shuts down without waiting for one', async () => {
  const workers = await world.startWorkers();
  await world.until('its wait', () => sqs.receivers().waiting === 1);
  await workers.close();
  await world.until('its going', () => sqs.receivers().brokenOff === 1);
  expect(sqs.receivers().waiting).toBe(0);
});
