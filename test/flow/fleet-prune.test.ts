import { DescribeJobDefinitionsCommand, BatchClient } from '@aws-sdk/client-batch';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pruneDefinitions } from '../../workers/upkeep/prune.ts';
import { newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld();
});
afterEach(() => world.close());

test('an unused job definition is deregistered, and registered again when a task needs it', async () => {
  const { runtime } = await world.startWorkers();
  await world.ended(await world.accept([newTask('first')]));
  expect(
    await pruneDefinitions(runtime, { unusedSinceMs: runtime.nowMs() - 60_000, dryRun: false }),
  ).toEqual([]);
  const [revision = '', ...others] = await pruneDefinitions(runtime, {
    unusedSinceMs: runtime.nowMs() + 1,
    dryRun: true,
  });
  expect(others).toEqual([]);
  expect(
    await pruneDefinitions(runtime, { unusedSinceMs: runtime.nowMs() + 1, dryRun: false }),
  ).toEqual([revision]);

  const client = new BatchClient({
    endpoint: world.batch.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const { jobDefinitions } = await client.send(
    new DescribeJobDefinitionsCommand({ jobDefinitions: [revision] }),
  );
  client.destroy();
  expect(jobDefinitions?.map(({ status }) => status)).toEqual(['INACTIVE']);

  const [again] = await world.ended(await world.accept([newTask('second')]));
  expect(again?.place).toBe('done');
  expect(world.asked('batch.RegisterJobDefinition')).toBe(2);
});
