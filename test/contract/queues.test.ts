import { DelayedError, Worker, type Job } from 'bullmq';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { taskNudges, type Nudge } from '../../queues/messages.ts';
import { connectRedis } from '../../queues/connect.ts';
import { openQueues, type Queues } from '../../queues/queues.ts';
import { freshRedis, type FreshRedis } from '../world.ts';

let redis: FreshRedis;
let queues: Queues;
let workers: Worker[];
beforeEach(async () => {
  redis = await freshRedis();
  queues = openQueues({ redisUrl: redis.url, prefix: 'test', keepFinishedMs: 60_000 });
  workers = [];
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.close()));
  await queues.close();
  await redis.drop();
});

/** A worker as workers/run-stage.ts makes them, but for what it does. */
function work(
  stage: 'poll' | 'submit' | 'cache-check',
  on: (job: Job, token: string | undefined) => Promise<void>,
  more: { stalledInterval?: number; lockDuration?: number } = {},
): Worker {
  const connection = connectRedis(redis.url, 'test');
  const worker = new Worker(stage, on, {
    connection,
    prefix: 'test',
    concurrency: 4,
    maxStalledCount: 20,
    ...more,
  });
  worker.on('error', () => undefined);
  worker.on('closed', () => connection.disconnect());
  workers.push(worker);
  return worker;
}

const gate = () => Promise.withResolvers<void>();
const pollA: Nudge = { stage: 'poll', message: { queue: 'arn:aws:batch:eu-west-1:1:job-queue/a' } };
const pack: Nudge = { stage: 'submit', message: { shape: 'ab'.repeat(16) } };

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 8000;
  while (!(await holds())) {
    if (Date.now() > endMs) throw new Error(`Waited in vain for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const clients = async (): Promise<number> =>
  String(await queues.redis.client('LIST'))
    .trim()
    .split('\n').length;

const waits = async (stage: 'poll' | 'submit' | 'cache-check') => {
  const { waiting, delayed, active, failed } = await queues.depth(stage);
  return { waiting, delayed, active, failed };
};

describe('a message about a queue or a shape', () => {
  test.each([
    ['a queue', pollA, { stage: 'poll', message: { queue: 'b' } }],
    ['a shape', pack, { stage: 'submit', message: { shape: 'cd'.repeat(16) } }],
  ] as [string, Nudge, Nudge][])(
    'a message about %s exists once, however often it is sent',
    async (_, nudge, other) => {
      for (let round = 0; round < 3; round += 1) await queues.nudge([nudge, nudge, other]);
      expect((await waits(nudge.stage as 'poll')).waiting).toBe(2);
    },
  );

  test('a delayed message about a queue or a shape exists once', async () => {
    await queues.nudge([pack], 60_000);
    await queues.nudge([pack]);
    expect(await waits('submit')).toEqual({ waiting: 0, delayed: 1, active: 0, failed: 0 });
  });

  test('a message that is sent while it is processed is processed once more', async () => {
    const { promise: go, resolve: open } = gate();
    let begun = 0;
    work('poll', async () => {
      begun += 1;
      if (begun === 1) await go;
    });
    await queues.nudge([pollA]);
    await until('the first', () => begun === 1);
    for (let round = 0; round < 5; round += 1) await queues.nudge([pollA]);
    open();
    await until('the second', () => begun === 2);
    await until('quiet', async () => (await waits('poll')).active === 0);
    expect([begun, await waits('poll')]).toEqual([
      2,
      { waiting: 0, delayed: 0, active: 0, failed: 0 },
    ]);
  });

  test('a message that is sent at any moment of its delay is processed after that', async () => {
    let sent = 0;
    let seen = 0;
    work('poll', async (job, token) => {
      const now = sent;
      await new Promise((resolve) => setImmediate(resolve));
      seen = now;
      if (seen >= 200) return;
      await job.moveToDelayed(Date.now() + 1, token);
      throw new DelayedError();
    });
    for (let round = 0; round < 200; round += 1) {
      sent += 1;
      await queues.nudge([pollA]);
    }
    await until('all 200 wake-ups', () => seen === 200);
    expect(seen).toBe(200);
    await until('quiet', async () =>
      Object.values(await waits('poll')).every((count) => count === 0),
    );
  });

  test('a message that is delayed many times stays the same message and keeps all its tries', async () => {
    const ids = new Set<string>();
    let round = 0;
    work('poll', async (job, token) => {
      ids.add(job.id ?? '');
      round += 1;
      if (round > 12) throw new Error('S3 is away');
      await job.moveToDelayed(Date.now() + 1, token);
      throw new DelayedError();
    });
    await queues.nudge([pollA]);
    await until(
      'the first failure',
      async () => round === 13 && (await waits('poll')).delayed === 1,
    );
    expect(ids.size).toBe(1);
    expect((await queues.byStage.poll.getJob([...ids][0] ?? ''))?.attemptsMade).toBe(1);
    expect((await waits('poll')).failed).toBe(0);
  });

  test('a message that failed on every try can be sent again', async () => {
    const worker = work('poll', () => Promise.reject(new Error('always')));
    await queues.byStage.poll.add('poll', pollA.message, {
      attempts: 1,
      deduplication: { id: 'poll-arn_aws_batch_eu-west-1_1_job-queue/a', keepLastIfActive: true },
    });
    await until('it to fail', async () => (await waits('poll')).failed === 1);
    await worker.close();
    await queues.nudge([pollA]);
    expect((await waits('poll')).waiting).toBe(1);
  });
});

describe('any message', () => {
  test('a message that fails is tried again and does not delay the others', async () => {
    const failures: number[] = [];
    const done: unknown[] = [];
    work('cache-check', async ({ data }) => {
      if (data.tasks[0] === 1 && failures.push(Date.now()) === 1) throw new Error('for a moment');
      done.push(data.tasks);
    });
    await queues.nudge([
      ...taskNudges('cache-check', [1], 10),
      ...taskNudges('cache-check', [2], 10),
    ]);
    await until('both', () => done.length === 2);
    expect(done).toEqual([[2], [1]]);
  });

  test('a message that failed on every try stays visible in the queue', async () => {
    let tries = 0;
    work('cache-check', () => {
      tries += 1;
      return Promise.reject(new Error('for good'));
    });
    await queues.nudge(taskNudges('cache-check', [1], 10));
    // The next tries are seconds away.
    for (let next = 1; next < 5; next += 1) {
      await until(
        'the next try to be planned',
        async () => tries === next && (await waits('cache-check')).delayed === 1,
      );
      for (const job of await queues.byStage['cache-check'].getDelayed()) await job.promote();
    }
    await until('it to be laid aside', async () => (await waits('cache-check')).failed === 1);
    expect(tries).toBe(5);
    const [job] = await queues.byStage['cache-check'].getFailed();
    expect([job?.data, job?.failedReason]).toEqual([{ tasks: [1] }, 'for good']);
  });

  test('a message whose worker died goes to another worker', async () => {
    let hands = 0;
    const { promise: never } = gate();
    const dead = work(
      'cache-check',
      () => {
        hands += 1;
        return never;
      },
      { lockDuration: 200, stalledInterval: 100 },
    );
    await queues.nudge(taskNudges('cache-check', [7], 10));
    await until('the first worker to have it', () => hands === 1);
    await dead.close(true);
    const done: unknown[] = [];
    work('cache-check', async ({ data }) => void done.push(data), { stalledInterval: 100 });
    await until('the second worker to do it', () => done.length === 1);
    expect(done).toEqual([{ tasks: [7] }]);
  });

  test('messages are chunks of ids, none of them lost or duplicated', () => {
    const ids = Array.from({ length: 1003 }, (_, at) => at);
    const nudges = taskNudges('finalize', ids, 250);
    expect(nudges.map(({ message }) => ('tasks' in message ? message.tasks.length : 0))).toEqual([
      250, 250, 250, 250, 3,
    ]);
    expect(nudges.flatMap(({ message }) => ('tasks' in message ? message.tasks : []))).toEqual(ids);
    expect(taskNudges('finalize', [], 250)).toEqual([]);
  });

  test('a finished message is kept for the board for a limited time', async () => {
    let done = 0;
    work('cache-check', async () => void (done += 1));
    await queues.nudge(
      taskNudges(
        'cache-check',
        Array.from({ length: 300 }, (_, at) => at),
        1,
      ),
    );
    await until('all', () => done === 300);
    await until(
      'the tidying up',
      async () => (await queues.byStage['cache-check'].getCompletedCount()) <= 201,
    );
    expect(await queues.byStage['cache-check'].getCompletedCount()).toBeGreaterThan(0);
  });
});

test('the depth of a queue shows what waits and for how long', async () => {
  expect(await queues.depth('poll')).toEqual({
    waiting: 0,
    delayed: 0,
    active: 0,
    failed: 0,
    oldestMs: 0,
    overdue: 0,
  });
  await queues.nudge(taskNudges('cache-check', [1, 2, 3], 1));
  await queues.nudge(taskNudges('cache-check', [4], 1), 60_000);
  const sentMs = Date.now();
  await until('time to pass', () => Date.now() - sentMs > 20);
  const depth = await queues.depth('cache-check');
  expect(depth).toMatchObject({ waiting: 3, delayed: 1, active: 0, failed: 0 });
  expect(depth.oldestMs).toBeGreaterThanOrEqual(20);
});

test('a closed queue leaves no connection behind', async () => {
  const own = openQueues({ redisUrl: redis.url, prefix: 'closing', keepFinishedMs: 1000 });
  await own.nudge(taskNudges('finalize', [1], 1));
  const before = await clients();
  await own.close();
  await until('its connection to be gone', async () => (await clients()) < before);
  expect(await clients()).toBe(before - 1);
});
