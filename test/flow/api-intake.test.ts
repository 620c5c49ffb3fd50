/** The queue `intake`, as a service that speaks BullMQ uses it. */
import { Queue, QueueEvents, type Job } from 'bullmq';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { handleMessage } from '../../api/intake/queue-consumer.ts';
import { createContext } from '../../api/context.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';

const task = { name: 'from a queue', executors: [{ image: 'alpine', command: ['true'] }] };
const scatter = {
  template: { executors: [{ image: 'alpine', command: ['echo', '{{n}}'] }] },
  rows: [{ n: 1 }, { n: 2 }, { n: 3 }],
};

let world: ApiWorld;
let queue: Queue;
let events: QueueEvents;
beforeAll(async () => {
  world = await startApiWorld({ tokens: ['ann:one'], intake: 'yes' });
});
beforeEach(async () => {
  queue = new Queue('intake', {
    connection: { url: world.redis.url },
    prefix: world.config.redisPrefix,
  });
  events = new QueueEvents('intake', {
    connection: { url: world.redis.url },
    prefix: world.config.redisPrefix,
  });
  await events.waitUntilReady();
  return async () => {
    await events.close();
    await queue.close();
  };
});
afterAll(() => world.close());

const ownServices = () =>
  createContext({
    ...world,
    metrics: createMetrics(),
    log: pino({ level: 'silent' }),
    logObjects: {
      readTail: async () => undefined,
      open: async () => undefined,
      describe: async () => undefined,
    },
    resolveComponents: async () => [],
    canonicalSpecs: async () => [],
    jobQueues: { unknownOf: async () => [] },
    nowMs: Date.now,
  });
const outcome = (job: Job): Promise<unknown> =>
  job.waitUntilFinished(events, 30_000).catch((error: Error) => `failed: ${error.message}`);
const count = async (): Promise<number> => {
  const [rows] = await world.database.pool.query('SELECT COUNT(*) AS count FROM tasks');
  return (rows as { count: number }[])[0]?.count ?? 0;
};

test('messages create a task and a scatter, and return their ids', async () => {
  const made = (await outcome(await queue.add('task', { token: 'one', task }))) as { id: string };
  expect(
    (
      await world.call('GET', `/v1/tasks/${made.id}?view=BASIC`, undefined, {
        authorization: 'Bearer one',
      })
    ).json,
  ).toMatchObject({ id: made.id, name: 'from a queue' });
  expect(await outcome(await queue.add('scatter', { token: 'one', scatter }))).toEqual({
    id: expect.stringMatching(/^scatter-/),
    tasks: 3,
    equal_rows: 0,
  });
});

test('a message that HTTP would refuse is refused with every field, and nothing is stored', async () => {
  const before = await count();
  const messages = [
    await queue.add(
      'task',
      { token: 'one', task: { executors: [{ image: '', command: [] }] } },
      { attempts: 5 },
    ),
    await queue.add('scatter', { token: 'one', scatter: { ...scatter, rows: [{ n: 1 }, {}] } }),
    await queue.add('task', { token: 'wrong', task }),
    await queue.add('task', { task }),
    await queue.add('job', { token: 'one', task }),
    await queue.add('task', { token: 'one' }),
    await queue.add('task', 'text'),
  ];
  expect(await Promise.all(messages.map(outcome))).toEqual([
    expect.stringMatching(/^failed: 400 executors\[0\]\.image.*"field":"executors\[0\]\.command"/),
    expect.stringContaining('row 1: n'),
    expect.stringContaining('401 The token is unknown'),
    expect.stringContaining('401 The message has no token'),
    expect.stringMatching(/400 The message is named .*\. Name it task or scatter/),
    expect.stringContaining('400'),
    expect.stringContaining('401'),
  ]);
  expect(await count()).toBe(before);
  expect(world.lines.join('')).not.toMatch(/"wrong"|token":"one/);
});

test('a message that is delivered twice creates one task, and so do two messages with one key', async () => {
  const context = ownServices();
  const message = { name: 'task', data: { token: 'one', task }, deliveryId: '7@1' };
  const before = await count();
  const [first, again, other] = [
    await handleMessage(context, message),
    await handleMessage(context, message),
    await handleMessage(context, { ...message, deliveryId: '7@2' }),
  ];
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
  const keyed = await Promise.all(
    [1, 2].map(async () => outcome(await queue.add('task', { token: 'one', key: 'mine', task }))),
  );
  expect(keyed[0]).toEqual(keyed[1]);
  expect(
    await outcome(
      await queue.add('task', { token: 'one', key: 'mine', task: { ...task, name: 'other' } }),
    ),
  ).toContain('409');
  expect(await count()).toBe(before + 3);
});

test('a message is postponed while MySQL is unavailable, and uses up no attempt', async () => {
  const away = ownServices();
  const gone = Object.assign(new Error('gone'), { code: 'ECONNREFUSED' });
  const answer = await handleMessage(
    { ...away, intake: { ...away.intake, acceptTask: async () => Promise.reject(gone) } },
    { name: 'task', data: { token: 'one', task }, deliveryId: '9@1' },
  );
  expect(answer).toEqual({ later: true });
});
