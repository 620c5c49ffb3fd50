import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld();
});
afterEach(() => world.close());

const countShards = (run: string) =>
  manyTasks(300, (at) =>
    newTask(`${run}-${at}`, {
      cache: 'readwrite',
      spec: {
        inputs: [{ path: '/in', type: 'FILE', content: `shard ${at}` }],
        executors: [{ image: 'debian:12', command: ['count', '/in', String(at)] }],
      },
    }),
  );

describe('a scatter', () => {
  test('a scatter runs to its end with one SubmitJob, and again as hits with none', async () => {
    await world.startWorkers();
    const first = await world.ended(await world.accept(countShards('first'), 'one'));
    expect(new Set(first.map(({ place }) => place))).toEqual(new Set(['done']));
    expect(world.asked('batch.SubmitJob')).toBe(1);
    expect(world.asked('batch.RegisterJobDefinition')).toBe(1);
    expect(world.effects).toHaveLength(300);

    const second = await world.ended(await world.accept(countShards('second'), 'two'));
    expect(second.every(({ place, hitEntryId }) => place === 'done' && hitEntryId !== null)).toBe(
      true,
    );
    expect(world.asked('batch.SubmitJob')).toBe(1);
    expect(world.effects).toHaveLength(300);
    expect((await world.objects.get('s3://data/out/second-299'))?.toString()).toBe(
      '[["count","/in","299"]]',
    );
  });
});
