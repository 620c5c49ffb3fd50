/** What the fleet keeps of its cache decisions, and how they are shown. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { explainScatter } from '../../api/cache/explain-scatter.ts';
import { explainTask } from '../../api/cache/explain-task.ts';
import type { CacheContext } from '../../api/cache/compared-calls.ts';
import { readConfig } from '../../config.ts';
import { fullAccess } from '../../core/access/access.ts';
import type { NewTask, TaskSpec } from '../../core/task/task.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
let context: CacheContext;
beforeAll(async () => {
  world = await startFleetWorld();
  await world.startWorkers();
  context = {
    config: readConfig(world.environment),
    database: world.database,
    canonicalSpecs: async (calls) => calls.map(({ spec }) => spec),
    taskDefaultsOf: ({ limits }) => ({ cache: 'off', limits }),
  };
});
afterAll(() => world.close());

const access = fullAccess('tester');

const explain = async (id: number): Promise<string[]> =>
  (await explainTask(context, access, id))?.lines ?? [];

const cached = (name: string, spec: Partial<TaskSpec> = {}, more: Partial<NewTask> = {}): NewTask =>
  newTask(name, {
    cache: 'readwrite',
    ...more,
    spec: {
      inputs: [{ url: 's3://data/ref.fa', path: '/in/ref.fa', type: 'FILE' }],
      executors: [{ image: 'debian:12', command: ['sh', '-c', 'set -e\nalign'] }],
      ...spec,
    },
  });

test('a decision and its reason are kept in the row, and told with names, URLs, and times', async () => {
  await world.objects.put('s3://data/ref.fa', 'reads');
  const [first] = await world.ended(await world.accept([cached('first')]));
  const script = 'set -e\nalign\ntrue';
  const ids = await world.accept([
    cached('again'),
    cached('line', { executors: [{ image: 'debian:12', command: ['sh', '-c', script] }] }),
    cached('missing', { inputs: [{ url: 's3://data/no', path: '/in/no', type: 'FILE' }] }),
    cached('http', { inputs: [{ url: 'http://host/x', path: '/in/x', type: 'FILE' }] }),
    cached('off', {}, { cache: 'off' }),
    cached('refresh', {}, { cache: 'refresh' }),
    cached('none', { outputs: [] }),
    cached('reader', { executors: [{ image: 'alpine:3', command: ['x'] }] }, { cache: 'read' }),
  ]);
  await world.ended(ids);
  const told = await Promise.all(ids.map(explain));
  expect(told.map(([line]) => line)).toEqual([
    expect.stringMatching(/^Hit: from task-\S+ \(first, \d+ \w+ \d{4} [\d:]{8}\), copied$/),
    'Miss: command differs in line 3: + true',
    'Not cached: input /in/no does not exist',
    'Not cached: input /in/x is not in S3, so that its content cannot be identified',
    'Not cached: caching is off for this task (cache: off)',
    'Miss: the task asks to run again (cache: refresh)',
    'Not cached: the task declares no outputs',
    expect.stringMatching(/^Miss: command differs in argument 0/),
  ]);
  expect(told.at(-1)?.at(-1)).toBe(
    'Its own result was not kept: the task does not write the cache',
  );
  expect(await explain(first?.id ?? 0)).toEqual(['Miss: no earlier task is like it']);
  expect(await world.rows('SELECT name, hits, copied_bytes FROM cache_savings')).toEqual([
    { name: 'again', hits: 1, copied_bytes: expect.any(Number) },
  ]);
  await world.objects.put('s3://data/ref.fa', 'other reads');
  const [changed] = await world.ended(await world.accept([cached('first')]));
  expect((await explain(changed?.id ?? 0))[0]).toMatch(
    /^Miss: input ref.fa changed \(s3:\/\/data\/ref.fa, (?:[^,]+, )?5 B -> 11 B\)$/,
  );
  const limited = { ...access, limits: { urls: ['s3://elsewhere'] } };
  const hidden = await explainTask(context, limited, changed?.id ?? 0);
  expect(hidden?.lines[0]).toBe(
    'Miss: input ref.fa is not compared: this token does not allow its URL',
  );
});

test('an input that changes while its task runs is the reason why nothing was kept, also for the next task', async () => {
  await world.objects.put('s3://data/ref.fa', 'before');
  const { promise: isChanged, resolve: change } = Promise.withResolvers<void>();
  world.behave(() => ({ until: isChanged }));
  const changing = { executors: [{ image: 'debian:12', command: ['changing'] }] };
  const ids = await world.accept([cached('changing', changing)]);
  await world.until('it to run', () => world.batch.ledger.summary().running > 0);
  await world.objects.put('s3://data/ref.fa', 'after');
  change();
  await world.ended(ids);
  await world.objects.put('s3://data/ref.fa', 'before');
  const [next] = await world.ended(await world.accept([cached('changing', changing)]));
  expect((await explain(ids[0] ?? 0)).at(-1)).toBe(
    'Its own result was not kept: an input changed between the cache check and the run',
  );
  expect((await explain(next?.id ?? 0))[0]).toMatch(
    /^Miss: task-\S+ \(changing, .*\) is the same call, but its result was not kept: an input changed/,
  );
});

test('the tasks of a scatter are explained in groups, against the same rows of the scatter before', async () => {
  await world.objects.put('s3://data/ref.fa', 'reads');
  const row = (at: number, more: string): NewTask =>
    cached('rows', {
      outputs: [{ url: `s3://data/rows/${at}`, path: '/out', type: 'FILE' }],
      executors: [{ image: 'debian:12', command: ['sh', '-c', `echo ${at}${more}`] }],
    });
  await world.ended(
    await world.accept(
      manyTasks(4, (at) => row(at, '')),
      'rows',
    ),
  );
  await world.objects.put('s3://data/ref.fa', 'other reads');
  const ids = await world.accept(
    manyTasks(4, (at) => row(at, at === 3 ? ' more' : '')),
    'rows',
  );
  await world.ended(ids);
  const [scatter] = await world.rows('SELECT MAX(id) AS id FROM scatters');
  const told = await explainScatter(context, access, { id: Number(scatter?.['id']), size: 4 });
  expect(told.lines).toEqual([
    '3 of 4: input ref.fa changed',
    '1 of 4: command differs in line 1; input ref.fa changed',
  ]);
});
