/** A volume that tasks were offered when they were accepted, and that a changed setting takes away. */
import { afterEach, expect, test } from 'vitest';
import { newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
afterEach(() => world.close());

const OFFER = { BATCHWELL_VOLUMES: 'ref=efs:fs-0123abcd/references:/ref' };
const withVolume = (name: string) =>
  newTask(name, {
    spec: {
      executors: [{ image: 'debian:12', command: ['work'] }],
      resources: {
        cpu_cores: 1,
        ram_gb: 1,
        disk_gb: 1,
        preemptible: false,
        container: { volumes: ['ref'] },
      },
    },
  });

test('a task whose volume is no longer offered fails before it runs, also past stage-script', async () => {
  world = await startFleetWorld();
  const offering = await world.startWorkers({ settings: OFFER });
  const [first] = await world.ended(await world.accept([withVolume('one')]));
  expect(first).toMatchObject({ place: 'done' });
  await offering.close();

  await world.startWorkers();
  // Its script is in S3 already.
  const [second] = await world.ended(await world.accept([withVolume('two')]));
  expect(second).toMatchObject({ place: 'failed', failureCode: 'misconfigured', attempt: 0 });
  expect(second?.failure).toContain('no longer offered (BATCHWELL_VOLUMES): ref.');
  expect(world.batch.ledger.starts()).toHaveLength(1);
});
