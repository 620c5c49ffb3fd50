import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld({ BATCHWELL_STALL_MS: '700' });
  // Its rows are due early, or its messages are lost.
  world.sweeperMayHelp();
});
afterEach(() => world.close());

const running = (count: number) =>
  world.until(`${count} to run`, () => world.batch.ledger.summary().running === count);
const gate = () => Promise.withResolvers<void>();
const effectsPerTask = (): number[] =>
  [...Map.groupBy(world.effects, ({ taskId }) => taskId).values()].map(({ length }) => length);

test('a job that Batch has forgotten fails its task, but only after it was missing for ten minutes', async () => {
  const { promise: go, resolve: open } = gate();
  world.behave(() => ({ until: go }));
  let skewMs = 0;
  await world.startWorkers({ fleetMs: () => Date.now() + skewMs });
  const ids = await world.accept([newTask('one')]);
  await running(1);
  // The container may run before the fleet has noted its job.
  await world.until(
    'the job in its row',
    async () => (await world.rows("SELECT id FROM submissions WHERE state = 'running'")).length > 0,
  );
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

describe('messages that are lost', () => {
  test('the loss of all of Redis, at any stage, costs time and nothing else', async () => {
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

  test('a message that was lost before any worker took it is sent again by the sweeper', async () => {
    await world.startWorkers({ stages: ['poll', 'submit', 'finalize'] });
    const ids = await world.accept([newTask('one')]);
    const redis = new Redis(world.redis.url);
    await redis.flushall();
    redis.disconnect();
    await world.startWorkers({ stages: ['cache-check', 'stage-script'] });
    expect(await world.ended(ids)).toMatchObject([{ place: 'done' }]);
  });
});
