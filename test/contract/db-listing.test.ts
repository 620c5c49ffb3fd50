/** What a list costs: rows that the server reads for one page, wherever in the list the page is. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { standingsOf } from '../../core/task/tes-state.ts';
import { migrateDatabase, openDatabase, type Database } from '../../db/client.ts';
import { select } from '../../db/rows.ts';
import { listStandings, type TaskFilter } from '../../db/task-lists.ts';
import { acceptAll } from '../accept.ts';
import { manyTasks, newTask } from '../flow/harness.ts';
import { freshDatabase } from '../world.ts';

const TASKS = 4000;
const PAGE = 10;
const RUN_1 = { key: 'run', value: '1' };
let database: Database;
let ids: number[];
beforeAll(async () => {
  const { url } = await freshDatabase();
  await migrateDatabase(url);
  // One connection, so that its counters are those of the list.
  database = openDatabase({ url, connections: 1 });
  const { taskIds } = await acceptAll(database, {
    owner: 'me',
    tasks: manyTasks(TASKS, (at) =>
      newTask(`t${at}`, { tags: { run: String(at % 4), lab: 'north' } }),
    ),
    nowMs: 1,
    dueMs: 2,
  });
  ids = taskIds;
  await database.pool.query('ANALYZE TABLE tasks, task_tags');
});
afterAll(() => database.close());

async function rowsRead(): Promise<number> {
  const rows = await select<{ Variable_name: string; Value: string }>(
    database.pool,
    "SHOW SESSION STATUS LIKE 'Handler_read%'",
  );
  return rows
    .filter((row) => !/rnd/i.test(row.Variable_name))
    .reduce((sum, row) => sum + Number(row.Value), 0);
}

async function costOf(filter: Partial<TaskFilter>): Promise<{ ids: number[]; read: number }> {
  const before = await rowsRead();
  const listed = await listStandings(database.pool, {
    owner: 'me',
    tags: [],
    limit: PAGE,
    ...filter,
  });
  return { ids: listed.map(({ id }) => id), read: (await rowsRead()) - before };
}

describe('a few tasks among many', () => {
  beforeAll(async () => {
    const end = (at: number, place: string, code: string | null) =>
      database.pool.query(
        'UPDATE tasks SET place = ?, ended_ms = 5, failure_code = ? WHERE id = ?',
        [place, code, ids[at]],
      );
    await database.pool.query("UPDATE tasks SET place = 'done', ended_ms = 5 WHERE id > ?", [
      ids[20],
    ]);
    await end(1, 'failed', 'executor-failed');
    await end(2, 'failed', 'host-lost');
    await end(3, 'cancelled', null);
    await database.pool.query('ANALYZE TABLE tasks');
  });

  test.each<[string, Partial<TaskFilter>, number[]]>([
    ['the state EXECUTOR_ERROR', { standing: standingsOf('EXECUTOR_ERROR') }, [1]],
    ['the state SYSTEM_ERROR', { standing: standingsOf('SYSTEM_ERROR') }, [2]],
    ['the state CANCELED', { standing: standingsOf('CANCELED') }, [3]],
    [
      'the state QUEUED',
      { standing: standingsOf('QUEUED') },
      [20, 19, 18, 17, 16, 15, 14, 13, 12, 11],
    ],
    ['a name', { namePrefix: 't17' }, [1799, 1798, 1797, 1796, 1795, 1794, 1793, 1792, 1791, 1790]],
    ['a name that no task has', { namePrefix: 'u' }, []],
    [
      'a name and a state',
      { namePrefix: 't1', standing: standingsOf('QUEUED') },
      [19, 18, 17, 16, 15, 14, 13, 12, 11, 10],
    ],
  ])('a list by %s does not read all tasks', async (_, filter, positions) => {
    const cost = await costOf(filter);
    expect(cost.ids).toEqual(positions.map((at) => ids[at]));
    expect(cost.read).toBeLessThan(TASKS * 0.9);
  });

  test('a list by state reads little more than it shows, wherever those tasks are', async () => {
    for (const state of ['EXECUTOR_ERROR', 'CANCELED', 'COMPLETE', 'QUEUED'] as const)
      expect((await costOf({ standing: standingsOf(state) })).read).toBeLessThan(PAGE * 6);
  });
});

test.each<[string, number, Partial<TaskFilter>]>([
  ['the first page', TASKS, {}],
  ['a page in the middle', TASKS / 2, {}],
  ['the last page', PAGE, {}],
  ['the first page of a tag', TASKS, { tags: [RUN_1] }],
  ['a page of a tag', TASKS / 2, { tags: [RUN_1] }],
  ['a page of two tags', TASKS / 2, { tags: [RUN_1, { key: 'lab', value: 'north' }] }],
])('%s reads little more than it shows', async (_, before, filter) => {
  const wanted = ids
    .slice(0, before)
    .toReversed()
    .filter((_id, at) => filter.tags === undefined || (before - 1 - at) % 4 === 1)
    .slice(0, PAGE);
  const cost = await costOf({ beforeId: (ids[before - 1] ?? 0) + 1, ...filter });
  expect(cost.ids).toEqual(wanted);
  expect(cost.read).toBeLessThan(PAGE * 6);
});
