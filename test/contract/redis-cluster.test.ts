/** A Redis in cluster mode: all keys are on one shard, and a connection finds it. */
import { Worker, type Job } from 'bullmq';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createBudget } from '../../aws/budget.ts';
import { readConfig } from '../../config.ts';
import { stages } from '../../core/places.ts';
import type { Nudge } from '../../queues/messages.ts';
import { closeInTime } from '../../queues/closing.ts';
import { connectImpatientRedis, connectRedis } from '../../queues/connect.ts';
import { openQueues } from '../../queues/queues.ts';
import { requireUsableRedis } from '../../queues/shard.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { startRedisCluster, type RedisCluster } from '../redis-cluster.ts';
import { freshRedis } from '../world.ts';

const PREFIX = readConfig({}).redisPrefix;
const MESSAGES: Nudge[] = [
  { stage: 'cache-check', message: { tasks: [1, 2] } },
  { stage: 'submit', message: { shape: 'ab'.repeat(16) } },
  { stage: 'poll', message: { queue: 'q' } },
  { stage: 'finalize', message: { tasks: [3] } },
];

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

function open(redisUrl: string, prefix = PREFIX) {
  const troubles: string[] = [];
  const queues = openQueues({ redisUrl, prefix, keepFinishedMs: 60_000 });
  queues.redis.on('error', (error: Error) => void troubles.push(error.message));
  closing.push(() => queues.close());
  return { queues, troubles };
}

/** Resolves with the data of `count` messages of the stage. */
function takeMessages(redisUrl: string, stage: Nudge['stage'], count: number, prefix = PREFIX) {
  const taken: unknown[] = [];
  const all = Promise.withResolvers<unknown[]>();
  const connection = connectRedis(redisUrl, prefix);
  const worker = new Worker(
    stage,
    async (job: Job) => {
      if (taken.push(job.data) === count) all.resolve(taken);
    },
    { connection, prefix },
  );
  worker.on('error', () => undefined);
  closing.push(async () => {
    await closeInTime(worker.close(), () => connection.status === 'ready');
    connection.disconnect();
  });
  return all.promise;
}

describe.each([
  ['one shard', 1],
  ['three shards', 3],
])('a cluster of %s', (_, shards) => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster(shards);
  });
  afterAll(() => cluster.drop());

  test('messages go through it with the default prefix, whichever node the URL names', async () => {
    const { url } = await cluster.otherThan(PREFIX);
    const { queues, troubles } = open(url);
    await queues.nudge(MESSAGES);
    await queues.nudge([{ stage: 'stage-script', message: { tasks: [4] } }], 1);
    for (const { stage, message } of MESSAGES)
      expect(await takeMessages(url, stage, 1)).toEqual([message]);
    expect(await takeMessages(url, 'stage-script', 1)).toEqual([{ tasks: [4] }]);
    for (const stage of stages)
      expect(await queues.depth(stage)).toMatchObject({ waiting: 0, failed: 0 });
    expect(troubles).toEqual([]);
  });

  test('the budget, leases and counters of a fleet go to the same shard', async () => {
    const { url } = await cluster.otherThan(PREFIX);
    const { queues } = open(url);
    const metrics = createMetrics();
    const budget = createBudget({
      redis: queues.redis,
      key: `${PREFIX}:budget:batch`,
      service: 'batch',
      perSecond: 10,
      metrics,
    });
    await budget.take();
    await budget.slowDown();
    const impatient = await connectImpatientRedis(url, PREFIX);
    closing.push(async () => impatient.disconnect());
    expect(await impatient.set(`${PREFIX}:janitor`, 1, 'PX', 1000, 'NX')).toBe('OK');
    expect(Number(await impatient.hget(`${PREFIX}:budget:batch`, 'rate'))).toBeLessThan(10);
  });

  test.each(['lab', 'a{b', '{}', 'a}b{c', 'x{}y{z}'])(
    'the prefix %j, which spreads keys over shards, is refused with a sentence',
    async (prefix) => {
      const { queues } = open(cluster.nodes[0]?.url ?? '', prefix);
      await expect(requireUsableRedis(queues.redis)).rejects.toThrow(
        /Redis is in cluster mode.*BATCHWELL_REDIS_PREFIX=.*hash tag.*for example \{/,
      );
    },
  );

  test.each(['{lab}', 'a{b}c', '{a{b}'])('the prefix %j works', async (prefix) => {
    const { url } = await cluster.otherThan(prefix);
    const { queues } = open(url, prefix);
    await requireUsableRedis(queues.redis);
    await queues.nudge(MESSAGES);
    expect(await takeMessages(url, 'finalize', 1, prefix)).toEqual([{ tasks: [3] }]);
  });

  test('a database other than 0 is refused with a sentence', async () => {
    const { queues } = open(`${cluster.nodes[0]?.url}/1`);
    await expect(requireUsableRedis(queues.redis)).rejects.toThrow(/only database 0/);
  });
});

describe('a cluster that changes', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster(3, 3);
  });
  afterAll(() => cluster.drop());

  test('messages go on at the replica when the shard loses its primary', async () => {
    const { url } = await cluster.otherThan(PREFIX);
    const { queues } = open(url);
    await queues.nudge([{ stage: 'finalize', message: { tasks: [1] } }]);
    await takeMessages(url, 'finalize', 1);
    // The worker of another stage waits for its first message while the primary is lost.
    const taken = takeMessages(url, 'poll', 1);
    const owner = await cluster.ownerOf(PREFIX);
    process.kill(owner.pid, 'SIGKILL');
    await owner.ended;
    await queues.nudge([{ stage: 'poll', message: { queue: 'q' } }]);
    expect(await taken).toEqual([{ queue: 'q' }]);
  });

  test('messages go on at the other shard when the slot is moved to it', async () => {
    const prefix = '{moved}';
    const [from, to] = [await cluster.ownerOf(prefix), await cluster.otherThan(prefix)];
    const { queues } = open(to.url, prefix);
    const taken = takeMessages(from.url, 'finalize', 2, prefix);
    await queues.nudge([{ stage: 'finalize', message: { tasks: [1] } }]);
    await cluster.moveSlot(prefix, to);
    await queues.nudge([{ stage: 'finalize', message: { tasks: [2] } }]);
    expect(await taken).toEqual([{ tasks: [1] }, { tasks: [2] }]);
  });
});

test('a Redis that is not in cluster mode takes any prefix and any database', async () => {
  const redis = await freshRedis();
  closing.push(() => redis.drop());
  const { queues } = open(`${redis.url}/3`, 'lab');
  await requireUsableRedis(queues.redis);
  await queues.nudge(MESSAGES);
  expect((await queues.depth('finalize')).waiting).toBe(1);
});

test('a Redis that hangs at the start is waited for a few seconds, and used once it answers', async () => {
  const redis = await freshRedis();
  closing.push(() => redis.drop());
  process.kill(redis.pid, 'SIGSTOP');
  const { queues } = open(redis.url);
  await requireUsableRedis(queues.redis);
  expect(queues.redis.status).not.toBe('ready');
  process.kill(redis.pid, 'SIGCONT');
  await queues.nudge(MESSAGES);
  expect((await queues.depth('finalize')).waiting).toBe(1);
});
