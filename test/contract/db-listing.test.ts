/** What a list costs: rows that the server reads for one page, wherever in the list the page is. */
import type { RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrateDatabase, openDatabase, type Database } from '../../db/client.ts';
import { listStandings, type TaskFilter } from '../../db/task-views.ts';
import { acceptAll } from '../accept.ts';
import { manyTasks, newTask } from '../flow/harness.ts';
import { freshDatabase } from '../world.ts';

const TASKS = 4000;
const PAGE = 10;
let database: Database;
let ids: number[];
beforeAll(async () => {
  const { url } = await freshDatabase();
  await migrateDatabase(url);
  // One connection, so that its counters are those of the list.
  database = openDatabase({ url, connections: 1 });
  const { taskIds } = await acceptAll(database, { owner: 'me', tasks: manyTasks(TASKS, (at) => newTask(`t${at}`, { tags: { run: String(at % 4) } })), nowMs: 1, dueMs: 2 });
  ids = taskIds;
  await database.pool.query('ANALYZE TABLE tasks, task_tags');
});
afterAll(() => database.close());

async function rowsRead(): Promise<number> {
  const [rows] = await database.pool.query<RowDataPacket[]>("SHOW SESSION STATUS LIKE 'Handler_read%'");
  return rows.filter((row) => !/rnd/i.test(String(row['Variable_name']))).reduce((sum, row) => sum + Number(row['Value']), 0);
}

async function costOf(filter: Partial<TaskFilter>): Promise<{ ids: number[]; read: number }> {
  const before = await rowsRead();
  const listed = await listStandings(database.pool, { owner: 'me', tags: [], limit: PAGE, ...filter });
  return { ids: listed.map(({ id }) => id), read: (await rowsRead()) - before };
}

test.each<[string, number, Partial<TaskFilter>]>([
  ['the first page', TASKS, {}],
  ['a page in the middle', TASKS / 2, {}],
  ['the last page', PAGE, {}],
  ['a page of a tag', TASKS / 2, { tags: [{ key: 'run', value: '1' }] }],
])('%s reads little more than it shows', async (_, before, filter) => {
  const wanted = ids.slice(0, before).toReversed().filter((_id, at) => filter.tags === undefined || (before - 1 - at) % 4 === 1).slice(0, PAGE);
  const cost = await costOf({ beforeId: (ids[before - 1] ?? 0) + 1, ...filter });
  expect(cost.ids).toEqual(wanted);
  expect(cost.read).toBeLessThan(PAGE * 5);
});
