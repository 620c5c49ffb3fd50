import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RetryDecision } from '../../core/retry/decide-retry.ts';
import { cancelTasks } from '../../db/cancel.ts';
import type { OpenAttempt } from '../../db/attempts.ts';
import { applyPolled } from '../../workers/stages/poll/apply.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld({ BATCHWELL_STALL_MS: '700' });
});
afterEach(() => world.close());

const running = (count: number) =>
  world.until(`${count} to run`, () => world.batch.ledger.summary().running === count);
const gate = () => Promise.withResolvers<void>();
const effectsPerTask = (): number[] =>
  [...Map.groupBy(world.effects, ({ taskId }) => taskId).values()].map(({ length }) => length);

test('a job that Batch has forgotten fails its task, but only after it was missing for long', async () => {
  const { promise: go, resolve: open } = gate();
  world.behave(() => ({ until: go }));
  let skewMs = 0;
  await world.startWorkers({ nowMs: () => Date.now() + skewMs });
  const ids = await world.accept([newTask('one')]);
  await running(1);
  await world.rows("UPDATE submissions SET job_id = 'f0f0f0f0-0000-4000-8000-000000000000'");
  const looks = (): number => world.asked('batch.DescribeJobs');
  const looksAgain = async (): Promise<void> => {
    const before = looks();
    await world.rows('UPDATE submissions SET due_ms = 0');
    await world.until('two more looks', () => looks() >= before + 2);
  };

  skewMs = 2 * 3_600_000; // the job is old now, and missing for the first time
  await looksAgain();
  expect((await world.tasks(ids)).map(({ place }) => place)).toEqual(['poll']);
  skewMs += 11 * 60_000;
  const [ended] = await world.ended(ids);
  expect(ended).toMatchObject({ place: 'failed', failureCode: 'result-missing' });
  expect(ended?.failure).toContain('AWS Batch no longer knows the job');
  open();
});

test('a worker ends in time although Redis is gone, and its tasks are there', async () => {
  const { promise: go, resolve: open } = gate();
  world.behave(() => ({ until: go }));
  const workers = await world.startWorkers();
  const ids = await world.accept(manyTasks(20, (at) => newTask(`t${at}`)));
  await running(20);
  await world.redis.drop();
  await world.until('the worker to notice', () => workers.runtime.queues.redis.status !== 'ready');
  await workers.close();
  open();
  expect(new Set((await world.tasks(ids)).map(({ place }) => place))).toEqual(new Set(['poll']));
});

describe('messages that are lost', () => {
  test('with all of Redis, at any stage, cost time and nothing else', async () => {
    const { promise: go, resolve: open } = gate();
    world.behave(() => ({ until: go }));
    await world.startWorkers();
    const redis = new Redis(world.redis.url);
    const first = await world.accept(
      manyTasks(40, (at) => newTask(`a${at}`)),
      'a',
    );
    await redis.flushall(); // at cache-check, or wherever they are
    await running(40);
    await redis.flushall(); // at poll
    const second = await world.accept(
      manyTasks(40, (at) => newTask(`b${at}`)),
      'b',
    );
    open();
    await redis.flushall();
    const ended = await world.ended([...first, ...second]);
    redis.disconnect();
    expect(new Set(ended.map(({ place }) => place))).toEqual(new Set(['done']));
    expect(effectsPerTask()).toEqual(Array.from({ length: 80 }, () => 1));
  });

  test('before anybody sent them are sent by the sweeper', async () => {
    await world.startWorkers({ stages: ['poll', 'submit', 'finalize'] });
    const ids = await world.accept([newTask('one')]);
    const redis = new Redis(world.redis.url);
    await redis.flushall();
    redis.disconnect();
    await world.startWorkers({ stages: ['cache-check', 'stage-script'] });
    expect(await world.ended(ids)).toMatchObject([{ place: 'done' }]);
  });
});

describe('several workers', () => {
  test('on one database share the work, and nothing is done twice', async () => {
    const workers = await Promise.all([world.startWorkers(), world.startWorkers()]);
    world.behave(() => ({ durationMs: 20 }));
    const ids = (
      await Promise.all(
        Array.from({ length: 12 }, (_, at) =>
          world.accept(
            manyTasks(20, (one) => newTask(`t${at}-${one}`)),
            `s${at}`,
          ),
        ),
      )
    ).flat();
    const ended = await world.ended(ids);
    expect(new Set(ended.map(({ place }) => place))).toEqual(new Set(['done']));
    expect(effectsPerTask()).toEqual(Array.from({ length: 240 }, () => 1));
    const worked = await Promise.all(
      workers.map(async ({ runtime }) =>
        (await runtime.metrics.messages.get()).values.reduce((sum, { value }) => sum + value, 0),
      ),
    );
    expect(Math.min(...worked)).toBeGreaterThan(0);
  });

  test('of which one is closed while busy lose nothing', async () => {
    const leaving = await world.startWorkers();
    world.behave(() => ({ durationMs: 20 }));
    const ids = await world.accept(
      manyTasks(300, (at) => newTask(`t${at}`)),
      's',
    );
    await world.until(
      'the first of them to move',
      async () =>
        (await world.rows("SELECT 1 FROM tasks WHERE place <> 'cache-check' LIMIT 1")).length > 0,
    );
    await leaving.close();
    expect((await world.tasks(ids)).some(({ place }) => place !== 'done')).toBe(true);
    await world.startWorkers();
    expect(new Set((await world.ended(ids)).map(({ place }) => place))).toEqual(new Set(['done']));
    expect(effectsPerTask()).toEqual(Array.from({ length: 300 }, () => 1));
  });

  test('of which one cannot start for want of its port leave nothing of it behind', async () => {
    const { metricsUrl } = await world.startWorkers({ stages: ['poll'] });
    const redis = new Redis(world.redis.url);
    const clients = async (): Promise<number> =>
      String(await redis.client('LIST'))
        .trim()
        .split('\n').length;
    const before = await clients();
    await expect(
      world.startWorkers({ settings: { BATCHWELL_METRICS_PORT: new URL(metricsUrl).port } }),
    ).rejects.toThrow(/EADDRINUSE/);
    await world.until('its connections to be gone', async () => (await clients()) <= before);
    redis.disconnect();
  });

  test('do not start on a Redis that may forget messages', async () => {
    const redis = new Redis(world.redis.url);
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    redis.disconnect();
    await expect(world.startWorkers()).rejects.toThrow(
      'Redis has maxmemory-policy allkeys-lru; queues need noeviction, or messages vanish when memory is short. Set it with: CONFIG SET maxmemory-policy noeviction',
    );
  });
});

describe('a late look at an attempt', () => {
  test('moves nothing: its task is at its next attempt already', async () => {
    const { promise: go, resolve: open } = gate();
    world.behave(() => ({ until: go }));
    world.batch.faults.add({
      service: 'batch',
      operation: 'StartAttempt',
      kind: 'spot-loss',
      times: 3,
    });
    const { runtime } = await world.startWorkers();
    const [id = 0] = await world.accept([newTask('one')]);
    await world.until('its second attempt', async () =>
      (await world.tasks([id])).every(({ place, attempt }) => place === 'poll' && attempt === 2),
    );
    // As another poller read it while it was open.
    const first: OpenAttempt = {
      taskId: id,
      number: 1,
      submissionId: 1,
      arrayIndex: 0,
      place: 'poll',
      hostLosses: 0,
      memoryGrowths: 0,
      transientFailures: 0,
    };

    const late: RetryDecision[] = [
      { do: 'fail', failure: { kind: 'host-lost', sentence: 'Late.' } },
      { do: 'again', because: 'host-lost', reason: 'Late.' },
      {
        do: 'finalize',
        result: { startedMs: 1, endedMs: 1, executors: [], outputs: [], missingOutputs: [] },
      },
    ];
    for (const decision of late)
      await applyPolled(runtime, [{ attempt: first, decision, result: undefined }]);
    expect(await world.tasks([id])).toMatchObject([{ place: 'poll', attempt: 2 }]);
    open();
    expect(await world.ended([id])).toMatchObject([{ place: 'done', attempt: 2, hostLosses: 1 }]);
    expect(world.effects).toHaveLength(1);
  });
});

const cancel = async (ids: readonly number[]): Promise<void> => {
  const { queues } = await cancelTasks(world.database, ids, Date.now());
  await world.queues.nudge(queues.map((queue) => ({ stage: 'poll', message: { queue } })));
};

describe('cancel', () => {
  test('of all that runs ends the array with one call', async () => {
    world.behave(() => ({ durationMs: 60_000 }));
    await world.startWorkers();
    const ids = await world.accept(
      manyTasks(20, (at) => newTask(`t${at}`)),
      's',
    );
    await running(20);
    await cancel(ids);
    await world.until('all of it to stop', () => world.batch.ledger.summary().running === 0);
    await world.until(
      'the submission to end',
      async () =>
        (await world.rows("SELECT 1 FROM submissions WHERE state = 'ended'")).length === 1,
    );
    expect(world.asked('batch.TerminateJob')).toBe(1);
    expect(await world.rows('SELECT DISTINCT outcome FROM attempts')).toEqual([
      { outcome: 'cancelled' },
    ]);
    expect(new Set((await world.tasks(ids)).map(({ place }) => place))).toEqual(
      new Set(['cancelled']),
    );
    expect(world.effects).toEqual([]);
  });

  test('of one child leaves its siblings', async () => {
    const { promise: go, resolve: open } = gate();
    world.behave(() => ({ until: go }));
    await world.startWorkers();
    const ids = await world.accept(
      manyTasks(3, (at) => newTask(`t${at}`)),
      's',
    );
    await running(3);
    await cancel(ids.slice(1, 2));
    await running(2);
    open();
    await world.until(
      'the submission to end',
      async () =>
        (await world.rows("SELECT 1 FROM submissions WHERE state = 'ended'")).length === 1,
    );
    expect((await world.ended(ids)).map(({ place }) => place)).toEqual([
      'done',
      'cancelled',
      'done',
    ]);
    expect(world.effects).toHaveLength(2);
  });

  test('of what is packed but not yet submitted submits nothing', async () => {
    world.batch.faults.add({
      service: 'batch',
      operation: 'RegisterJobDefinition',
      kind: 'delay',
      delayMs: 600,
    });
    await world.startWorkers();
    const ids = await world.accept(
      manyTasks(3, (at) => newTask(`t${at}`)),
      's',
    );
    await world.until(
      'them to be packed',
      async () => (await world.rows('SELECT 1 FROM submissions')).length === 1,
    );
    await cancel(ids);
    await world.until(
      'the submission to end',
      async () =>
        (await world.rows("SELECT 1 FROM submissions WHERE state = 'ended'")).length === 1,
    );
    expect(world.asked('batch.SubmitJob')).toBe(0);
    expect(await world.rows('SELECT DISTINCT outcome FROM attempts')).toEqual([
      { outcome: 'cancelled' },
    ]);
  });

  test('of a call whose answer was lost leaves no job that has an effect', async () => {
    world.batch.faults.add({
      service: 'batch',
      operation: 'SubmitJob',
      kind: 'drop-after',
      times: 1,
    });
    world.batch.faults.add({
      service: 'batch',
      operation: 'SubmitJob',
      kind: 'visibility-lag',
      delayMs: 60_000,
      times: 1,
    });
    const { promise: go, resolve: open } = gate();
    world.behave(() => ({ beforeFence: go }));
    await world.startWorkers();
    const ids = await world.accept([newTask('one')]);
    await world.until('the call', () => world.asked('batch.SubmitJob') === 1);
    await cancel(ids);
    await world.until(
      'the submission to end',
      async () =>
        (await world.rows("SELECT 1 FROM submissions WHERE state = 'ended'")).length === 1,
    );
    open();
    await world.until('the late job to end', () => world.batch.ledger.summary().endsTotal === 1);
    expect(world.asked('batch.SubmitJob')).toBe(1);
    expect(world.effects).toEqual([]);
  });
});
