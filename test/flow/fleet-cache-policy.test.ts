/** Which entries tasks may use: the switches, the age limit, and the prefixes of a fleet. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NewTask } from '../../core/task/task.ts';
import type { Workers } from '../../workers/main.ts';
import { newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
let workers: Workers;
beforeEach(async () => {
  world = await startFleetWorld();
  await world.objects.put('s3://data/in', 'reads');
});
afterEach(() => world.close());

async function restart(settings: Record<string, string> = {}): Promise<void> {
  await workers?.close();
  workers = await world.startWorkers({ settings });
}

const sameCall = (name: string, maxAge?: string): NewTask => {
  const task = newTask(name, {
    cache: 'readwrite',
    spec: {
      inputs: [{ url: 's3://data/in', path: '/in', type: 'FILE' }],
      executors: [{ image: 'debian:12', command: ['same'] }],
    },
  });
  if (maxAge !== undefined) task.spec.resources.backend_parameters = { cache_max_age: maxAge };
  return task;
};

async function isHit(name: string, maxAge?: string): Promise<boolean> {
  const [task] = await world.ended(await world.accept([sameCall(name, maxAge)]));
  expect(task?.place).toBe('done');
  return task?.hitEntryId !== null;
}

const lookups = async (result: string): Promise<number> => {
  const { values } = await workers.runtime.metrics.cacheLookups.get();
  return values.find(({ labels }) => labels['result'] === result)?.value ?? 0;
};

test('an owner whose writing is off leaves no entry, and one whose reading is off gets no hit', async () => {
  await restart({ BATCHWELL_CACHE_WRITE_OFF: 'tester' });
  expect(await isHit('first')).toBe(false);
  expect(await world.rows('SELECT id FROM cache_entries')).toEqual([]);
  await restart({ BATCHWELL_CACHE_READ_OFF: '*' });
  expect(await isHit('second')).toBe(false);
  expect(await isHit('third')).toBe(false);
  expect(await lookups('read-off')).toBe(2);
  await restart({ BATCHWELL_CACHE_READ_OFF: 'you', BATCHWELL_CACHE_WRITE_OFF: 'you' });
  expect(await isHit('fourth')).toBe(true);
});

test('an entry that is too old for a task gives it no hit, and the run’s own entry follows it', async () => {
  await restart();
  expect(await isHit('first')).toBe(false);
  await world.database.pool.query('UPDATE cache_entries SET created_ms = created_ms - 7200000');
  expect(await isHit('any age')).toBe(true);
  expect(await isHit('3 hours', '3h')).toBe(true);
  expect(await isHit('1 hour', '1h')).toBe(false);
  expect(await lookups('entry-too-old')).toBe(1);
  expect(await isHit('1 hour again', '1h')).toBe(true);
  await world.database.pool.query('UPDATE cache_entries SET created_ms = created_ms - 7200000');
  await restart({ BATCHWELL_CACHE_MAX_AGE_MS: '3600000' });
  expect(await isHit('by the fleet’s limit', '9d')).toBe(false);
});

test('an entry gives hits only from below the prefixes that a fleet allows', async () => {
  await restart({ BATCHWELL_CACHE_HIT_PREFIXES: 's3://data/prod/,s3://data/out/se' });
  expect(await isHit('first')).toBe(false);
  expect(await isHit('second')).toBe(false);
  expect(await lookups('entry-elsewhere')).toBe(1);
  expect(await isHit('third')).toBe(true);
});
