/**
 * Every benchmark at a tiny size, one after another in one world: each runs, and reports what it
 * promises.
 */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findIncreases } from '../../bench/counts.ts';
import { isLong } from '../long.ts';
import { benches, type BenchName } from '../../bench/benches.ts';
import { parseOptions } from '../../bench/options.ts';
import type { BenchRun, Row, Rows } from '../../bench/report.ts';
import { startWorld, type World, type WorldOptions } from '../../bench/world.ts';

const TASKS = 12;

let shared: World;

beforeAll(async () => {
  shared = await startWorld({
    workers: 1,
    seed: 1,
    aws: { requestMs: 0, latency: { scheduleMs: 20, startMs: 0 } },
    env: { BATCHWELL_POLL_MS: '100', BATCHWELL_PACK_IDLE_MS: '20' },
  });
});

afterAll(() => shared.close());

/** The shared world as a benchmark asks for it, so that servers are started once. */
async function openShared({ workers, aws }: WorldOptions): Promise<World> {
  if (workers !== shared.workers.length) await shared.restartWorkers(workers);
  await shared.aws.ask('setRunMs', aws?.runMs ?? [20, 60]);
  return { ...shared, close: async () => undefined };
}

function run(name: BenchName, { runMs = '20,60' } = {}): Promise<Rows> {
  const { options } = parseOptions([
    name,
    '--tasks',
    String(TASKS),
    '--rounds',
    '1',
    '--run-ms',
    runMs,
  ]);
  return benches[name].run({ ...options, openWorld: openShared });
}

const USAGE = [
  'api CPU ms/task',
  'mariadb peak MB',
  'SQL statements/task',
  'Redis commands/task',
  'redis used MB',
];

/** The columns that are there and whose number can be true. */
function expectNumbers(row: Row | undefined, columns: readonly string[]): void {
  for (const column of columns) expect(row?.[column], column).toBeGreaterThanOrEqual(0);
}

it('bench scatter reports one submission, the fleet’s requests and the machine’s limits', async () => {
  const rows = await run('scatter');
  expect(Object.keys(rows)).toEqual([`${TASKS} wide, round 1`]);
  const row = rows[`${TASKS} wide, round 1`];
  expect(row).toMatchObject({
    submissions: 1,
    'batch.RegisterJobDefinition': 1,
    'batch.SubmitJob': 1,
    '429': 0,
    'finalize messages': expect.any(Number),
  });
  expect(row?.['accepted→submitted tasks/s']).toBeGreaterThan(0);
  expect(row?.['limit: insert + 5 moves tasks/s']).toBeGreaterThan(0);
  expect(row?.['limit: queue chain tasks/s']).toBeGreaterThan(0);
  expect(row?.['s3.PutObject']).toBeLessThanOrEqual(3);
  expectNumbers(row, [...USAGE, 'seen p50 ms', 'ended p99 ms', 'worker1 peak MB']);
});

it('bench watch reports how soon each end is seen, and the requests of watching', async () => {
  // All must run before the watch begins, and the first end must come after it.
  const row = (await run('watch', { runMs: '1500,2000' }))[`${TASKS} running`];
  expect(row?.['Batch requests/s']).toBeGreaterThan(0);
  expectNumbers(row, [...USAGE, 'watched s', 'S3 requests/s', 'seen p50 ms', 'ended p99 ms']);
});

it('bench submit reports one SubmitJob for each shape', async () => {
  const row = (await run('submit'))[`${TASKS} shapes`];
  expect(row).toMatchObject({
    submissions: TASKS,
    'batch.SubmitJob': TASKS,
    'batch.RegisterJobDefinition': TASKS,
  });
  expectNumbers(row, [...USAGE, 'submissions/s', 'seconds']);
});

it('bench memory reports every task as done, and the memory of each process', async () => {
  const rows = await run('memory');
  expect(rows[`${TASKS} ended`]).toMatchObject({ done: TASKS });
  expectNumbers(rows[`${TASKS} ended`], [...USAGE, 'single POST→SubmitJob p95 ms']);
  for (const process of ['redis', 'mariadb', 'aws', 'api', 'worker1'])
    expect(rows[`${TASKS} in flight`]?.[`${process} MB`], process).toBeGreaterThan(1);
});

it('bench drain reports the end of scatters whose containers have all ended before', async () => {
  const row = (await run('drain'))[`${TASKS} ended`];
  expect(row).toMatchObject({ done: TASKS });
  expect(row).not.toHaveProperty('batch.SubmitJob');
  expect(row?.['ended→done tasks/s']).toBeGreaterThan(0);
  expectNumbers(row, [...USAGE, 'finalize messages']);
});

it('bench saturate reports the rate and each process by tenths of the tasks', async () => {
  const rows = await run('saturate');
  expect(Object.keys(rows)).toHaveLength(11);
  expect(rows['all']?.['submitted tasks/s']).toBeGreaterThan(0);
  expectNumbers(rows[`until ${TASKS}`], ['accepted', 'database MB', 'worker1 MB', 'api cores']);
});

it.runIf(isLong)(
  'bench hits reports no submission for a hit, and one CopyObject for each copy',
  async () => {
    const rows = await run('hits');
    expect(rows[`${TASKS} wide, first time`]).toMatchObject({ submissions: 1 });
    const [reference, copy] = [rows[`${TASKS} wide, reference 1`], rows[`${TASKS} wide, copy 1`]];
    for (const row of [reference, copy]) {
      expect(row).not.toHaveProperty('batch.SubmitJob');
      expect(row?.['hits/s']).toBeGreaterThan(0);
      expectNumbers(row, USAGE);
    }
    expect(reference).not.toHaveProperty('s3.CopyObject');
    expect(copy).toMatchObject({ 's3.CopyObject': TASKS });
  },
);

it('bench flights reports one run for equal tasks, and a run and then a hit for each equal row', async () => {
  const rows = await run('flights');
  const counted = Object.values(rows).map(({ runs, hits, done }) => ({ runs, hits, done }));
  expect(counted).toEqual([
    { runs: 1, hits: TASKS - 1, done: TASKS },
    { runs: TASKS, hits: 0, done: TASKS },
    { runs: 0, hits: TASKS, done: TASKS },
  ]);
  for (const row of Object.values(rows)) expectNumbers(row, [...USAGE, 'POST ms']);
});

it.runIf(isLong)(
  'bench cache reports lookups beside pruning, and the requests of a hit beside its copies',
  async () => {
    const rows = await run('cache');
    const row = rows[`${TASKS} entries`];
    expect(row).toMatchObject({ entries: TASKS, 'old entries': 4, 'old entries left': 0 });
    expectNumbers(row, ['lookup p99, pruning / quiet', 'longest lock wait ms', 'lookups/s']);
    expect(rows[`${TASKS} hits, reference`]).toMatchObject({ 'copies/hit': 0 });
    expect(rows[`${TASKS} hits, copy`]).toMatchObject({ 'copies/hit': 1 });
    expectNumbers(rows[`${TASKS} hits, copy`], ['hits/s', 'S3 requests/hit beside copies']);
  },
);

it.runIf(isLong)(
  'bench scale reports the same scatter for one to four workers, and their waits for locks',
  async () => {
    const rows = await run('scale');
    expect(Object.keys(rows)).toEqual(
      [1, 2, 3, 4].map((workers) => `${workers} workers, ${TASKS}`),
    );
    for (const row of Object.values(rows)) expect(row).toMatchObject({ submissions: 1 });
    expectNumbers(rows[`4 workers, ${TASKS}`], [
      ...USAGE,
      'worker4 CPU ms/task',
      'row lock waits',
      'row lock wait ms',
    ]);
  },
);

it.runIf(isLong)(
  'bench singles reports accepted posts, reads, and how posts are packed',
  async () => {
    const { options } = parseOptions(['singles', '--connections', '2']);
    const rows = await benches.singles.run({ ...options, seconds: 0.2, openWorld: openShared });
    for (const name of ['POST, no workers', 'GET MINIMAL', 'POST, workers draining']) {
      expect(rows[name]?.['answers'], name).toBeGreaterThan(0);
      expectNumbers(rows[name], [...USAGE, 'per second', 'answer p99 ms']);
    }
    const packed = rows['POST, workers draining'];
    expect(packed?.['submissions']).toBeGreaterThan(0);
    expect(packed?.['tasks/submission']).toBeGreaterThanOrEqual(1);
  },
);

it.runIf(isLong)('bench events reports every event that every listener hears', async () => {
  const rows = await run('events');
  const heard = Object.fromEntries(
    Object.entries(rows).map(([name, row]) => [name, row['events heard']]),
  );
  expect(heard).toEqual({
    [`1 listeners, ${TASKS} ends`]: TASKS,
    [`100 listeners, ${TASKS} ends`]: TASKS * 100,
    [`${TASKS} listeners to their own, ${TASKS} ends`]: TASKS,
  });
  for (const row of Object.values(rows))
    expectNumbers(row, [...USAGE, 'committed→heard p99 ms', 'statements/s']);
});

it.runIf(isLong)(
  'bench sequential reports one commit for a POST, none for a GET, and times beside those of the database',
  async () => {
    const rows = await run('sequential');
    expect(rows['POST']?.['SQL commits/request']).toBeCloseTo(1, 1);
    expect(rows['GET MINIMAL']?.['SQL commits/request']).toBeCloseTo(0, 1);
    for (const name of ['POST', 'GET MINIMAL'])
      expect(rows[name]?.['of a bare INSERT and COMMIT'], name).toBeGreaterThan(0);
    expectNumbers(rows['the database'], ['SELECT 1 p50 ms', 'INSERT and COMMIT p50 ms']);
  },
);

it.runIf(isLong)(
  'bench indexes reports what a task costs with all indexes of its table, without each, and with none',
  async () => {
    const rows = await run('indexes');
    expect(Object.keys(rows)).toContain('without tasks_due');
    const [all, none] = [rows['all indexes'], rows['none']];
    expect(all?.['redo bytes/task']).toBeGreaterThan(none?.['redo bytes/task'] ?? Infinity);
    expectNumbers(all, ['CPU µs/task, insert', 'CPU µs/task, five moves']);
  },
);

it.runIf(isLong)(
  'bench soak runs tasks of every kind to their ends, and says of each metric whether it was flat',
  async () => {
    const { options } = parseOptions(['soak', '--minutes', '0.05', '--tasks', '60']);
    const runMs: [number, number] = [20, 60];
    const world = {
      aws: { requestMs: 0, latency: { scheduleMs: 20, startMs: 0 }, runMs },
      env: { BATCHWELL_POLL_MS: '100', BATCHWELL_PACK_IDLE_MS: '20' },
    };
    const rows = await benches.soak.run({ ...options, world });
    expect(rows['soak']).toMatchObject({ tasks: 60, 'not ended': 0 });
    for (const kind of ['done', 'failed', 'cancelled', 'retried', 'webhook calls', 'events heard'])
      expect(rows['soak']?.[kind], kind).toBeGreaterThan(0);
    expectNumbers(rows['last third'], ['api MB', 'worker1 descriptors', 'Redis keys']);
    // Whether 3 seconds are flat depends on the machine; test/unit/soak-judge.test.ts has the rule.
    expect([0, 1]).toContain(rows['flat']?.['rows/task: tasks']);
  },
);

it('a task costs no more requests, statements and rows than bench/reference/counts.json says', async () => {
  const reference = JSON.parse(
    await readFile(new URL('../../bench/reference/counts.json', import.meta.url), 'utf8'),
  ) as BenchRun;
  const { options } = parseOptions(['counts', '--tasks', '1000']);
  const rows = await benches.counts.run({ ...options, openWorld: openShared });
  expect(findIncreases(reference.rows, rows)).toEqual([]);
  const more = { '1000 wide': { ...rows['1000 wide'], 'SQL rows written/task': 99 } };
  expect(findIncreases(reference.rows, { ...rows, ...more })).toEqual([
    expect.stringContaining('1000 wide: SQL rows written/task'),
  ]);
  const statements = { ...reference.rows['1000 wide'], 'SQL statements/task': 0.3 };
  expect(findIncreases(reference.rows, { ...reference.rows, '1000 wide': statements })).toEqual([
    expect.stringContaining('1000 wide: SQL statements/task'),
  ]);
  // A busy machine takes longer, and the fleet looks more often meanwhile.
  const slow = { ...statements, seconds: 20 };
  expect(findIncreases(reference.rows, { ...reference.rows, '1000 wide': slow })).toEqual([]);
});

it('a world that is closed leaves no process running', async () => {
  const pids = Object.entries(shared.pids());
  expect(pids.length).toBeGreaterThanOrEqual(4);
  await shared.close();
  const running = pids.filter(([, pid]) => isRunning(pid));
  expect(running).toEqual([]);
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
