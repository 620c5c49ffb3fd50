/** What operators do with a running fleet: pause a stage, and drain a worker. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readConfig } from '../../config.ts';
import { listWorkers, setDrained } from '../../queues/fleet-workers.ts';
import { pausedStages, readPauses, setPaused } from '../../queues/pauses.ts';
import { newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld({ BATCHWELL_STALL_MS: '500' });
  // Tasks at a paused stage are due again and again.
  world.sweeperMayHelp();
});
afterEach(() => world.close());

const prefix = () => readConfig(world.environment).redisPrefix;
const seen = () => listWorkers(world.queues.redis, prefix());
const logged = (event: string): number =>
  world.lines.filter((line) => line['msg'] === event).length;

test('a paused stage keeps its tasks, the sweeper adds no messages, and all end once it is resumed', async () => {
  await world.startWorkers();
  await setPaused(world.queues, 'stage-script', true);
  const ids = await world.accept([newTask('one'), newTask('two')]);
  await world.until('the tasks at the paused stage', async () =>
    (await world.tasks(ids)).every(({ place }) => place === 'stage-script'),
  );
  const { waiting: before } = await world.queues.depth('stage-script');
  const sweeps = logged('swept');
  await world.until('three sweeps of them', () => logged('swept') >= sweeps + 3);
  expect((await world.queues.depth('stage-script')).waiting).toBe(before);
  expect(before).toBeGreaterThan(0);
  await setPaused(world.queues, 'stage-script', false);
  expect((await world.ended(ids)).map(({ place }) => place)).toEqual(['done', 'done']);
});

test('a pause is in the metrics, and comes back when Redis loses its data; a resumed stage does not pause again', async () => {
  const workers = await world.startWorkers();
  const metric = async (name: string): Promise<string> => {
    const text = await (await fetch(workers.metricsUrl)).text();
    return text.split('\n').find((line) => line.startsWith(name)) ?? '';
  };
  const series = 'batchwell_stage_paused{stage="submit"}';
  const shows = (value: number) =>
    world.until(`${series} ${value}`, async () => (await metric(series)) === `${series} ${value}`);
  await shows(0);
  await setPaused(world.queues, 'submit', true, { by: 'ann' });
  await shows(1);

  await world.queues.redis.flushdb();
  await world.until('the pause to be restored', () => logged('pause-restored') === 1);
  expect(await pausedStages(world.queues)).toEqual(new Set(['submit']));
  expect(await readPauses(world.queues)).toEqual([
    { stage: 'submit', by: 'ann', sinceMs: expect.any(Number) },
  ]);

  await setPaused(world.queues, 'submit', false);
  await shows(0);
  await world.queues.redis.flushdb();
  const ids = await world.accept([newTask('after')]);
  await world.ended(ids);
  expect(logged('pause-restored')).toBe(1);
});

test('a drained worker finishes what it has and takes nothing new, until it is resumed or another one works', async () => {
  const { promise: go, resolve: open } = Promise.withResolvers<void>();
  world.behave(() => ({ until: go }));
  const first = await world.startWorkers();
  const [early] = [await world.accept([newTask('early')])];
  await world.until('the first container', () => world.batch.ledger.summary().running === 1);
  await world.until('the worker in the list', async () => (await seen()).length === 1);
  const [worker] = await seen();
  const id = worker?.id ?? '';
  expect(worker?.stages.map(({ stage }) => stage)).toContain('finalize');
  const is = (state: string) =>
    world.until(`the worker ${state}`, async () => (await seen())[0]?.state === state);

  await setDrained(world.queues.redis, prefix(), { id, drained: true });
  await is('drained');
  const ofFinalize = async (): Promise<string[]> =>
    (await (await fetch(first.metricsUrl)).text())
      .split('\n')
      .filter((line) => /^batchwell_stage_(workers|concurrency).*"finalize"/.test(line));
  expect(await ofFinalize()).toEqual([
    'batchwell_stage_concurrency{stage="finalize"} 0',
    'batchwell_stage_workers{stage="finalize"} 0',
  ]);
  const late = await world.accept([newTask('late')]);
  open();
  const sweeps = logged('swept');
  await world.until('two sweeps', () => logged('swept') >= sweeps + 2);
  expect((await world.tasks([...early, ...late])).map(({ place }) => place)).toEqual([
    'poll',
    'cache-check',
  ]);

  await setDrained(world.queues.redis, prefix(), { id, drained: false });
  await is('working');
  expect(await ofFinalize()).toEqual([
    'batchwell_stage_concurrency{stage="finalize"} 4',
    'batchwell_stage_workers{stage="finalize"} 1',
  ]);
  const ended = await world.ended([...early, ...late]);
  expect(ended.map(({ place }) => place)).toEqual(['done', 'done']);
  expect([logged('worker-drained'), logged('worker-resumed')]).toEqual([1, 1]);
  await first.close();
  expect(await seen()).toEqual([]);
});
