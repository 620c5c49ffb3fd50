/** What is pruned, and what survives it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sayLostSource } from '../../core/cache/hit-source.ts';
import { NOTE_USE_MS } from '../../core/retention.ts';
import type { NewTask } from '../../core/task/task.ts';
import { readHitSource } from '../../db/task-views.ts';
import { prune } from '../../workers/upkeep/retention/retention.ts';
import type { Runtime } from '../../workers/runtime.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

const DAY_MS = 24 * 3_600_000;
/** Of every table that grows with tasks. */
const TABLES = ['tasks', 'attempts', 'task_tags', 'submissions', 'scatters', 'templates', 'shapes'];

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld();
  await world.objects.put('s3://data/in', 'reads');
});
afterEach(() => world.close());

const sameCall = (name: string, command = 'same'): NewTask =>
  newTask(name, {
    cache: 'readwrite',
    tags: { run: name, lab: 'ü' },
    spec: {
      inputs: [{ url: 's3://data/in', path: '/in', type: 'FILE' }],
      executors: [{ image: 'debian:12', command: [command] }],
    },
  });

/** All that has ended by now is old; of entries, all that is not used after `entriesMs`. */
const pruneAll = (runtime: Runtime, { entriesMs = 0 } = {}) => {
  const now = Date.now() + 1;
  return prune(runtime, { cutoffs: { tasksMs: now, sharedMs: now, entriesMs, sumsMs: now } });
};

const countRows = async (table: string): Promise<number> => {
  const [row] = await world.rows(`SELECT COUNT(*) AS count FROM ${table}`);
  return Number(row?.['count']);
};

describe('a fleet whose tasks have all ended', () => {
  test('keeps nothing of them but their entries, and those still give hits that say so', async () => {
    const { runtime } = await world.startWorkers();
    await world.ended(
      await world.accept(
        manyTasks(3, (at) => sameCall(`t${at}`)),
        'rows',
      ),
    );
    const pruned = await pruneAll(runtime);
    expect(pruned).toMatchObject({ tasks: 3, submissions: 1, scatters: 1, shapes: 1 });
    for (const table of TABLES) expect(await countRows(table), table).toBe(0);
    expect(await countRows('cache_fingerprints')).toBe(3);
    expect(await countRows('object_sums')).toBe(0);
    expect(await pruneAll(runtime)).toEqual({});

    const [hit] = await world.ended(await world.accept([sameCall('again')]));
    expect(hit?.place).toBe('done');
    expect(hit?.hitEntryId).not.toBeNull();
    expect(world.effects).toHaveLength(3);
    expect((await world.objects.get('s3://data/out/again'))?.toString()).toBe('[["same"]]');
    const source = await readHitSource(runtime.database.pool, hit?.id ?? 0);
    if (source?.state !== 'deleted') throw new Error(`The source is ${JSON.stringify(source)}.`);
    expect(sayLostSource(source)).toMatch(
      /^The outputs come from a task that ran on \d{4}-\d\d-\d\d \(UTC\)\. .* deleted/,
    );
    expect(world.lines.filter(({ msg }) => msg === 'pruned')).toHaveLength(1);
  });

  test('retires entries that nothing uses, and deletes them with the tasks that show their outputs', async () => {
    const { runtime } = await world.startWorkers();
    await world.ended(await world.accept([sameCall('first')]));
    await pruneAll(runtime, { entriesMs: Date.now() - DAY_MS });
    const usable = async () =>
      (await world.rows('SELECT usable, invalid_reason FROM cache_entries')).at(0);
    expect(await usable()).toMatchObject({ usable: 1 });
    const kept = { tasksMs: 1, sharedMs: 0, sumsMs: 0 };
    expect(await prune(runtime, { cutoffs: { ...kept, entriesMs: Date.now() + 1 } })).toEqual({
      'entries-retired': 1,
    });
    expect(await usable()).toEqual({
      usable: 0,
      invalid_reason: 'It was not used for longer than entries are kept.',
    });
    expect(await countRows('cache_outputs')).toBe(1);
    const [again] = await world.ended(await world.accept([sameCall('again')]));
    expect(again?.hitEntryId).toBeNull();
    expect(await pruneAll(runtime)).toMatchObject({ entries: 1, outputs: 1 });
    expect(await countRows('cache_outputs')).toBe(1);
    expect(await world.rows('SELECT usable FROM cache_entries')).toEqual([{ usable: 1 }]);
  });

  test('is pruned by one of its workers, by the settings', async () => {
    const settings = { BATCHWELL_PRUNE_MS: '3600000' };
    const first = await world.startWorkers({ settings });
    await world.ended(await world.accept([sameCall('first')]));
    await first.close();
    const later = Array.from({ length: 2 }, () =>
      world.startWorkers({
        settings: { BATCHWELL_REDIS_PREFIX: 'later' },
        fleetMs: () => Date.now() + 92 * DAY_MS,
      }),
    );
    await Promise.all(later);
    await world.until('the end of the task’s rows', async () => (await countRows('tasks')) === 0);
    await world.until('a line of the log', () => world.lines.some(({ msg }) => msg === 'pruned'));
    expect(world.lines.filter(({ msg }) => msg === 'pruned')).toHaveLength(1);
    expect(await countRows('cache_entries')).toBe(1);
  });
});

describe('a fleet that is pruned while it works', () => {
  test('keeps the entry of a hit that was decided before', async () => {
    const workers = await world.startWorkers();
    await world.ended(await world.accept([sameCall('first')]));
    await workers.close();
    const checking = await world.startWorkers({ stages: ['cache-check'] });
    const ids = await world.accept([sameCall('second')]);
    await world.until('the decision', async () =>
      (await world.tasks(ids)).every(({ place }) => place === 'finalize'),
    );
    await sleep(2);
    expect(await pruneAll(checking.runtime, { entriesMs: Date.now() + 1 })).toMatchObject({
      tasks: 1,
      'entries-retired': 1,
    });
    await world.startWorkers({ stages: ['finalize', 'stage-script', 'submit', 'poll'] });
    world.sweeperMayHelp();
    const [hit] = await world.ended(ids);
    expect(hit?.hitEntryId).not.toBeNull();
    expect(world.effects).toHaveLength(1);
    expect((await world.objects.get('s3://data/out/second'))?.toString()).toBe('[["same"]]');
  });

  test('ends every task: followers, hits and runs', async () => {
    const { runtime } = await world.startWorkers();
    world.behave(() => ({ durationMs: 60 }));
    const working = { now: true };
    const pruning = (async () => {
      let tasks = 0;
      while (working.now) {
        const now = Date.now();
        const sharedMs = now - NOTE_USE_MS * 2;
        const cutoffs = { tasksMs: now, sharedMs, entriesMs: 0, sumsMs: now };
        tasks += (await prune(runtime, { cutoffs })).tasks ?? 0;
      }
      return tasks;
    })();
    const WAVES = 6;
    const EACH = 8;
    for (let wave = 0; wave < WAVES; wave += 1) {
      // As after months in which nothing used them.
      for (const table of ['templates', 'cache_fingerprints'])
        await world.database.pool.query(`UPDATE ${table} SET used_ms = 1`);
      await world.ended(
        await world.accept(
          manyTasks(EACH, (at) => sameCall(`w${wave}-${at}`, `c${wave % 3}-${at % 4}`)),
        ),
      );
    }
    working.now = false;
    expect(await pruning).toBeGreaterThan(EACH);
    for (let wave = 0; wave < WAVES; wave += 1)
      for (let at = 0; at < EACH; at += 1)
        expect((await world.objects.get(`s3://data/out/w${wave}-${at}`))?.toString()).toBe(
          `[["c${wave % 3}-${at % 4}"]]`,
        );
    expect(world.effects).toHaveLength(12);
    const { values } = await runtime.metrics.tasksEnded.get();
    expect(values.filter(({ value }) => value > 0)).toEqual([
      { labels: { place: 'done' }, value: WAVES * EACH },
    ]);
  });
});
