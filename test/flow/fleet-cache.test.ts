import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NewTask } from '../../core/task/task.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld();
  await world.startWorkers();
});
afterEach(() => world.close());

/** All of them are the same call. */
const sameCall = (name: string, more: Partial<NewTask> = {}): NewTask =>
  newTask(name, {
    cache: 'readwrite',
    ...more,
    spec: {
      inputs: [{ url: 's3://data/in', path: '/in', type: 'FILE' }],
      executors: [{ image: 'debian:12', command: ['same'] }],
    },
  });

const startedTasks = (): number => world.batch.ledger.summary().startsTotal;

describe('equal calls in flight', () => {
  test('equal calls in flight run once, and the others are hits', async () => {
    await world.objects.put('s3://data/in', 'reads');
    world.behave(() => ({ durationMs: 300 }));
    const ended = await world.ended(await world.accept(manyTasks(5, (at) => sameCall(`t${at}`))));
    expect(ended.map(({ place }) => place)).toEqual(Array.from({ length: 5 }, () => 'done'));
    expect(ended.filter(({ hitEntryId }) => hitEntryId !== null)).toHaveLength(4);
    expect(world.effects).toHaveLength(1);
    expect((await world.objects.get('s3://data/out/t4'))?.toString()).toBe('[["same"]]');
    expect(await world.rows('SELECT hits FROM cache_entries')).toEqual([{ hits: 4 }]);
    expect(await world.rows('SELECT * FROM cache_flights')).toEqual([]);
  });

  test('equal calls that only read the cache do not wait for each other, because none leaves an entry', async () => {
    await world.objects.put('s3://data/in', 'reads');
    const { promise: allRun, resolve: run } = Promise.withResolvers<void>();
    let started = 0;
    world.behave(() => {
      started += 1;
      if (started === 3) run();
      return { until: allRun };
    });
    const ended = await world.ended(
      await world.accept(manyTasks(3, (at) => sameCall(`t${at}`, { cache: 'read' }))),
    );
    expect(ended.map(({ hitEntryId }) => hitEntryId)).toEqual([null, null, null]);
    expect(world.effects).toHaveLength(3);
  });
});

describe('an entry', () => {
  beforeEach(async () => {
    await world.objects.put('s3://data/in', 'reads');
    await world.ended(await world.accept([sameCall('first')]));
  });

  test('an entry whose outputs are gone is invalidated with the reason, and the task runs', async () => {
    const { S3Client, DeleteObjectCommand } = await import('@aws-sdk/client-s3');
    const s3 = new S3Client({});
    await s3.send(new DeleteObjectCommand({ Bucket: 'data', Key: 'out/first' }));
    s3.destroy();
    const [second] = await world.ended(await world.accept([sameCall('second')]));
    expect(second).toMatchObject({ place: 'done', hitEntryId: null });
    expect(world.effects).toHaveLength(2);
    expect(await world.rows('SELECT invalid_reason FROM cache_entries ORDER BY id')).toEqual([
      { invalid_reason: 's3://data/out/first no longer exists.' },
      { invalid_reason: null },
    ]);
    expect(await world.ended(await world.accept([sameCall('third')]))).toMatchObject([
      { place: 'done', hitEntryId: 2 },
    ]);
  });

  test('an output URL that cannot be written to fails its own task by name, and the entry stays valid', async () => {
    const nowhere = sameCall('second');
    nowhere.spec.outputs = [{ url: 's3://no-such-bucket/second', path: '/out', type: 'FILE' }];
    const [failed, third] = await world.ended(await world.accept([nowhere, sameCall('third')]));
    expect(failed).toMatchObject({
      place: 'failed',
      attempt: 0,
      hitEntryId: null,
      failureCode: 'output-refused',
      failure:
        "S3 could not copy s3://data/out/first to s3://no-such-bucket/second: NoSuchBucket: The specified bucket does not exist. Check the output's URL, then submit the task again.",
    });
    expect(third).toMatchObject({ place: 'done', hitEntryId: 1 });
    expect(world.effects).toHaveLength(1);
    expect(await world.rows('SELECT invalid_reason FROM cache_entries')).toEqual([
      { invalid_reason: null },
    ]);
  });

  test('an entry is not hit by other content at the same URL, by a refresh, or without caching', async () => {
    expect(
      await world.ended(await world.accept([sameCall('off', { cache: 'off' })])),
    ).toMatchObject([{ hitEntryId: null }]);
    expect(
      await world.ended(await world.accept([sameCall('fresh', { cache: 'refresh' })])),
    ).toMatchObject([{ hitEntryId: null }]);
    await world.objects.put('s3://data/in', 'other reads');
    expect(await world.ended(await world.accept([sameCall('other')]))).toMatchObject([
      { hitEntryId: null },
    ]);
    expect(world.effects).toHaveLength(4);
  });

  test('an entry of one cache domain is not a hit in another', async () => {
    await world.database.pool.query("UPDATE cache_entries SET domain = 'somebody else'");
    expect(await world.ended(await world.accept([sameCall('second')]))).toMatchObject([
      { hitEntryId: null },
    ]);
  });
});

test('a refresh replaces: older entries of its call are invalid from then on, with the reason', async () => {
  await world.objects.put('s3://data/in', 'reads');
  const [first] = await world.ended(await world.accept([sameCall('first')]));
  const [fresh] = await world.ended(await world.accept([sameCall('fresh', { cache: 'refresh' })]));
  expect(world.effects.map(({ taskId }) => taskId)).toEqual([first?.id, fresh?.id]);
  expect(
    await world.rows('SELECT task_id, usable, invalid_reason FROM cache_entries ORDER BY id'),
  ).toEqual([
    {
      task_id: first?.id,
      usable: 0,
      invalid_reason: expect.stringMatching(
        /^task-\S+ ran the call again with cache mode refresh\.$/,
      ),
    },
    { task_id: fresh?.id, usable: 1, invalid_reason: null },
  ]);
});

describe('a run that is a failure or a half', () => {
  test('a run that lacks a declared output is done with a warning, and an equal task runs again', async () => {
    const half = (name: string): NewTask => {
      const task = newTask(name, { cache: 'readwrite' });
      task.spec.executors = [{ image: 'debian:12', command: ['half'] }];
      task.spec.outputs = [
        ...task.spec.outputs,
        { url: `s3://data/more/${name}`, path: '/more', type: 'FILE' },
      ];
      return task;
    };
    world.behave(() => ({ missing: [1] }));
    for (const name of ['one', 'two'])
      expect(await world.ended(await world.accept([half(name)]))).toMatchObject([
        { place: 'done', hitEntryId: null },
      ]);
    expect(await world.rows('SELECT COUNT(*) AS entries FROM cache_entries')).toEqual([
      { entries: 0 },
    ]);
  });

  test('a run whose failure was ignored is done, and an equal task runs again', async () => {
    const ignoring = (name: string): NewTask => {
      const task = newTask(name, { cache: 'readwrite' });
      task.spec.executors = [{ image: 'debian:12', command: ['down'], ignore_error: true }];
      return task;
    };
    world.behave(() => ({ exitCode: 1, endsWith: { exitCode: 0 } }));
    for (const name of ['one', 'two'])
      expect(await world.ended(await world.accept([ignoring(name)]))).toMatchObject([
        { place: 'done', hitEntryId: null },
      ]);
    expect(await world.rows('SELECT COUNT(*) AS entries FROM cache_entries')).toEqual([
      { entries: 0 },
    ]);
  });
});

describe('an input that changes while its task runs', () => {
  test('an input that changes while its task runs leaves no entry, as it is unknown what was read', async () => {
    await world.objects.put('s3://data/in', 'before');
    const { promise: changed, resolve: change } = Promise.withResolvers<void>();
    world.behave(() => ({ until: changed }));
    const ids = await world.accept([sameCall('one')]);
    await world.until('it to run', () => startedTasks() === 1);
    await world.objects.put('s3://data/in', 'after');
    change();
    expect(await world.ended(ids)).toMatchObject([{ place: 'done' }]);
    expect(await world.rows('SELECT COUNT(*) AS entries FROM cache_entries')).toEqual([
      { entries: 0 },
    ]);
  });
});

test('a run that writes an output to the URL of its input leaves no entry to copy', async () => {
  const inPlace = (name: string): NewTask => {
    const task = sameCall(name);
    task.spec.inputs = [{ url: `s3://data/${name}`, path: '/in', type: 'FILE' }];
    task.spec.outputs = [
      ...task.spec.outputs,
      { url: `s3://data/${name}`, path: '/in', type: 'FILE' },
    ];
    return task;
  };
  for (const name of ['one', 'two']) {
    await world.objects.put(`s3://data/${name}`, 'before');
    expect(await world.ended(await world.accept([inPlace(name)]))).toMatchObject([
      { place: 'done', hitEntryId: null },
    ]);
  }
  expect(await world.rows('SELECT COUNT(*) AS entries FROM cache_entries')).toEqual([
    { entries: 0 },
  ]);
});

test('an input that cannot be identified delays no other task: its own runs without the cache', async () => {
  world.s3.faults.add({
    service: 's3',
    operation: '*',
    kind: 'error',
    status: 403,
    code: 'AccessDenied',
    match: 'data/secret',
  });
  await world.objects.put('s3://data/in', 'reads');
  const odd = [
    's3://data/not-there',
    's3://no-such-bucket/x',
    's3://Not_A_Bucket!/x',
    's3://data/secret',
    'https://example.org/x',
  ].flatMap((url, at) => [
    newTask(`file-${at}`, {
      cache: 'readwrite',
      spec: { inputs: [{ url, path: '/in', type: 'FILE' }] },
    }),
    newTask(`folder-${at}`, {
      cache: 'readwrite',
      spec: { inputs: [{ url: `${url}/`, path: '/in', type: 'DIRECTORY' }] },
    }),
    // Enough files in one folder for it to be listed.
    newTask(`files-${at}`, {
      cache: 'readwrite',
      spec: {
        inputs: ['a', 'b', 'c', 'd', 'e'].map((name) => ({
          url: `${url}/${name}`,
          path: `/in/${name}`,
          type: 'FILE' as const,
        })),
      },
    }),
  ]);
  const ended = await world.ended(await world.accept([...odd, sameCall('good')]));
  expect(new Set(ended.map(({ place }) => place))).toEqual(new Set(['done']));
  expect(await world.rows('SELECT task_id FROM cache_entries')).toEqual([
    { task_id: ended.at(-1)?.id },
  ]);
});
