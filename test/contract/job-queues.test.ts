/** What the API knows of Batch's job queues, and what it asks to know it. */
import {
  BatchClient,
  CreateJobQueueCommand,
  DescribeJobQueuesCommand,
} from '@aws-sdk/client-batch';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openJobQueues, type JobQueues } from '../../aws/job-queues.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { openBatchEdge, type BatchEdge } from './aws-world.ts';

let edge: BatchEdge;
let client: BatchClient;
let jobQueues: JobQueues;
let nowMs: number;
let failures: unknown[];
beforeEach(async () => {
  edge = await openBatchEdge();
  client = new BatchClient({});
  nowMs = 1000;
  failures = [];
  jobQueues = openJobQueues({
    budget: { take: async () => undefined, slowDown: async () => undefined },
    metrics: createMetrics(),
    nowMs: () => nowMs,
    onFailed: (error) => failures.push(error),
  });
});
afterEach(async () => {
  jobQueues.close();
  client.destroy();
  await edge.close();
});

const unknownOf = (...queues: string[]) => jobQueues.unknownOf(new Set(queues));
const asked = () => edge.asked('DescribeJobQueues');

test('a queue is known by its name and by its ARN, and all others are told', async () => {
  const { jobQueues: [queue] = [] } = await client.send(new DescribeJobQueuesCommand({}));
  const arn = queue?.jobQueueArn ?? '';
  expect(arn).toMatch(/^arn:.*:job-queue\/q$/);
  expect(await unknownOf('q', arn, 'nope', `${arn}x`)).toEqual(['nope', `${arn}x`]);
});

test('known queues and concurrent questions cost one request, and unknown names no more of them', async () => {
  const before = asked();
  await Promise.all([unknownOf('q'), unknownOf('nope'), unknownOf('q', 'x')]);
  for (let n = 0; n < 50; n += 1) expect(await unknownOf('q', `no-${n}`)).toEqual([`no-${n}`]);
  expect(asked() - before).toBe(1);
  expect(await unknownOf()).toEqual([]);
});

test('a queue that was made since is found by the next question after two seconds', async () => {
  expect(await unknownOf('later')).toEqual(['later']);
  const { jobQueues: [queue] = [] } = await client.send(new DescribeJobQueuesCommand({}));
  await client.send(
    new CreateJobQueueCommand({
      jobQueueName: 'later',
      priority: 1,
      computeEnvironmentOrder: queue?.computeEnvironmentOrder ?? [],
    }),
  );
  nowMs += 2000;
  expect(await unknownOf('later', 'q')).toEqual([]);
});

test('nothing is said to be unknown while Batch does not tell, and Batch is not asked each time', async () => {
  edge.local.faults.add({
    service: 'batch',
    operation: 'DescribeJobQueues',
    kind: 'error',
    status: 403,
    code: 'AccessDeniedException',
    message: 'not authorized to perform: batch:DescribeJobQueues',
    times: 1,
  });
  const before = asked();
  for (let n = 0; n < 10; n += 1) expect(await unknownOf('nope')).toEqual([]);
  expect([asked() - before, failures.length]).toEqual([1, 1]);
  nowMs += 60_000;
  expect(await unknownOf('nope')).toEqual(['nope']);
});
