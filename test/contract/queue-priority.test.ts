/**
 * A few tasks are not stuck behind a huge scatter: seen on a real Redis, with one worker that takes
 * one message at a time.
 */
import { Worker } from 'bullmq';
import { afterEach, expect, test } from 'vitest';
import { connectRedis } from '../../queues/connect.ts';
import { openQueues } from '../../queues/queues.ts';
import { taskNudges } from '../../queues/messages.ts';
import { freshRedis } from '../world.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

test('a small message is taken before earlier wide ones, and these keep their order', async () => {
  const redis = await freshRedis();
  ends.push(() => redis.drop());
  const queues = openQueues({ redisUrl: redis.url, prefix: 'test', keepFinishedMs: 1000 });
  ends.push(() => queues.close());
  const ids = (from: number, count: number) => Array.from({ length: count }, (_, at) => from + at);
  await queues.nudge(taskNudges('cache-check', ids(0, 1000), 250));
  await queues.nudge(taskNudges('cache-check', [5000], 250));
  expect(await queues.depth('cache-check')).toMatchObject({ waiting: 5 });

  const taken: number[] = [];
  const all = Promise.withResolvers<void>();
  const connection = connectRedis(redis.url, 'test');
  const worker = new Worker<{ tasks: number[] }>(
    'cache-check',
    async ({ data }) => {
      taken.push(data.tasks[0] ?? -1);
      if (taken.length === 5) all.resolve();
    },
    { connection, prefix: 'test' },
  );
  ends.push(async () => {
    await worker.close();
    connection.disconnect();
  });
  await all.promise;
  expect(taken).toEqual([5000, 0, 250, 500, 750]);
});
