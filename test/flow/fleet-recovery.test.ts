import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isLong } from '../long.ts';
import type { RetryDecision } from '../../core/retry/decide-retry.ts';
import type { OpenAttempt } from '../../db/attempts.ts';
import { applyPolled } from '../../workers/stages/poll/apply.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld();
});
afterEach(() => world.close());

const running = (count: number) =>
  world.until(`${count} to run`, () => world.batch.ledger.summary().running === count);
const gate = () => Promise.withResolvers<void>();
const effectsPerTask = (): number[] =>
  [...Map.groupBy(world.effects, ({ taskId }) => taskId).values()].map(({ length }) => length);

test('a worker shuts down in time although Redis is gone, and its tasks stay in the database', async () => {
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

describe('several workers', () => {
  test('two workers on one database share the work, and nothing is done twice', async () => {
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

  test.runIf(isLong)('a worker that is closed while busy loses nothing', async () => {
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

  test('a worker that cannot start because its port is taken leaves no connection behind', async () => {
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

  test('a worker does not start on a Redis that may evict messages', async () => {
    const redis = new Redis(world.redis.url);
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    redis.disconnect();
    await expect(world.startWorkers()).rejects.toThrow(
      'Redis has maxmemory-policy allkeys-lru. Queues need noeviction: otherwise Redis drops messages when its memory is full. Set it with: CONFIG SET maxmemory-policy noeviction',
    );
  });
});

describe('a late look', () => {
  test('a late look at an attempt moves nothing when its task is already at its next attempt', async () => {
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
      owner: 'ann',
      createdMs: 0,
      hostLosses: 0,
      hostFaults: 0,
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
