import { BatchClient, DescribeJobsCommand } from '@aws-sdk/client-batch';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SeenJob } from '../../aws/batch.ts';
import { readAttempts } from '../../db/attempt-views.ts';
import { poll } from '../../workers/stages/poll/poll.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld({ BATCHWELL_SHARE: '{owner}', BATCHWELL_OWNER_LIMIT: '4' });
});
afterEach(() => world.close());

const resources = { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false };

test('a job carries the share of its owner, or the task’s own, and its priority', async () => {
  await world.startWorkers();
  const ids = await world.accept([
    newTask('high', { spec: { resources: { ...resources, priority: 9, share: 'own' } } }),
    newTask('plain'),
  ]);
  expect(await world.ended(ids)).toMatchObject([{ place: 'done' }, { place: 'done' }]);
  const client = new BatchClient({
    endpoint: world.batch.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const { jobs } = await client.send(
    new DescribeJobsCommand({ jobs: world.batch.ledger.starts().map(({ jobId }) => jobId) }),
  );
  client.destroy();
  expect(
    jobs
      ?.map(({ shareIdentifier, schedulingPriority }) => [shareIdentifier, schedulingPriority])
      .toSorted(),
  ).toEqual([
    ['own', 9],
    ['tester', 0],
  ]);
});

test('an owner with a limit never has more attempts in Batch at once, and all of them run in the end', async () => {
  await world.startWorkers();
  let most = 0;
  world.behave(() => {
    most = Math.max(most, world.batch.ledger.summary().running);
    return { durationMs: 20 };
  });
  const ended = await world.ended(
    await world.accept(
      manyTasks(10, (at) => newTask(`t${at}`)),
      's',
    ),
  );
  expect(ended.filter(({ place }) => place !== 'done')).toEqual([]);
  expect((await world.rows('SELECT MAX(size) AS largest FROM submissions'))[0]?.['largest']).toBe(
    4,
  );
  expect(most).toBeLessThanOrEqual(4);
});

test('why Batch does not start a job is shown once Batch says it twice, and only while it does', async () => {
  const { promise: go, resolve: open } = Promise.withResolvers<void>();
  world.behave(() => ({ until: go }));
  const { runtime } = await world.startWorkers({
    stages: ['cache-check', 'stage-script', 'submit'],
  });
  const [id = 0] = await world.accept([newTask('one')]);
  await world.until(
    'its job',
    async () =>
      (await world.rows("SELECT id FROM submissions WHERE state = 'running'")).length === 1,
  );
  const reason =
    'MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is higher than that can be met by the CE(s)';
  let said: Partial<SeenJob> = {};
  const told = {
    ...runtime,
    batch: {
      ...runtime.batch,
      describe: (ids: readonly string[]) =>
        Promise.resolve(
          ids.map((jobId): SeenJob => ({ jobId, createdMs: 1, status: 'RUNNABLE', ...said })),
        ),
    },
  };
  const shown = async (): Promise<string | undefined> => {
    await poll(told, { queue: 'batchwell' });
    return (await readAttempts(world.database.pool, [id]))[0]?.waitingReason;
  };

  said = { statusReason: reason };
  expect(await shown()).toBeUndefined();
  expect(await shown()).toBe(reason);
  said = {};
  expect(await shown()).toBeUndefined();
  said = { statusReason: reason };
  expect(await shown(), 'a sighting by itself').toBeUndefined();
  open();
});
