import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSlowWire, type SlowWire } from '../../bench/slow-wire.ts';
import { sha256 } from '../../core/ids.ts';
import { acceptTasks, type TaskRequest } from '../../db/accept.ts';
import type { SeenTemplates } from '../../db/accept-together.ts';
import { migrateDatabase, openDatabase, type Database } from '../../db/client.ts';
import { select } from '../../db/rows.ts';
import { newTask } from '../flow/harness.ts';
import { freshDatabase } from '../world.ts';

let wire: SlowWire;
let database: Database;
beforeAll(async () => {
  const { url } = await freshDatabase();
  await migrateDatabase(url);
  wire = await openSlowWire(url);
  database = openDatabase({ url: wire.url, connections: 4 });
});
afterAll(async () => {
  await database.close();
  await wire.close();
});

const seen: SeenTemplates = new Map();
const NOW_MS = 1_750_000_000_000;
const tagged = (name: string) => ({ ...newTask(name), tags: { run: name, 'a;b': "it's; --" } });
const keyed = (name: string, key: string): TaskRequest => ({
  task: tagged(name),
  key: { digest: sha256(key), request: sha256(name), chosen: true },
});
const accept = async (tasks: TaskRequest[], nowMs = NOW_MS) => {
  const request = { owner: 'me', cacheDomain: 'me', nowMs, dueMs: nowMs + 1000, tasks };
  const accepted = await acceptTasks(database, request, seen);
  return accepted.tasks.map((one) => (one === 'other-request' ? one : one.id));
};
/** Round trips that work took, beside those of the watch over the database. */
async function tripsOf(work: () => Promise<unknown>): Promise<number> {
  const before = wire.commands();
  await work();
  return wire.commands() - before;
}
/** The least of several tries: the watch over the database asks now and then. */
async function fewestTrips(work: () => Promise<unknown>): Promise<number> {
  const counts: number[] = [];
  for (let tries = 0; tries < 5; tries += 1) counts.push(await tripsOf(work));
  return Math.min(...counts);
}
const rows = (sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> =>
  select(database.pool, sql, values);

test('a task whose template was seen is stored in two round trips, and one with a key in three', async () => {
  await accept([{ task: tagged('first') }]);
  expect(await fewestTrips(() => accept([{ task: tagged('alone') }]))).toBe(2);
  let position = 0;
  expect(await fewestTrips(() => accept([keyed('keyed', `key ${(position += 1)}`)]))).toBe(3);
  const many = Array.from({ length: 50 }, (_, index) => ({ task: tagged(`many ${index}`) }));
  expect(await fewestTrips(() => accept(many))).toBe(2);
});

test('tasks stored together have their own tags and values, and one entry in the log of changes', async () => {
  const ids = await accept(['x', 'y', 'z'].map((name) => ({ task: tagged(name) })));
  const stored = await rows(
    `SELECT id, name, tags, template_id IS NOT NULL AS hasTemplate FROM tasks WHERE id IN (?) ORDER BY id`,
    [ids],
  );
  expect(stored.map(({ id, name }) => [id, name])).toEqual(
    ids.map((id, position) => [id, ['x', 'y', 'z'][position]]),
  );
  expect(
    await rows(`SELECT task_id AS id FROM task_tags WHERE tag_value IN ('x', 'y', 'z') ORDER BY 1`),
  ).toEqual(ids.map((id) => ({ id })));
  expect(
    await rows(`SELECT task_id AS id FROM task_tags WHERE tag_value = ? AND task_id IN (?)`, [
      "it's; --",
      ids,
    ]),
  ).toHaveLength(3);
  const [change] = await rows('SELECT tasks, ended FROM task_changes ORDER BY id DESC LIMIT 1');
  expect(JSON.parse(String(change?.['tasks']))).toEqual(ids);
});

test('keys in one group answer their own tasks, and a key that comes again gets its first task', async () => {
  const [first, second, alone] = await accept([
    keyed('one', 'k1'),
    keyed('two', 'k2'),
    { task: tagged('three') },
  ]);
  expect(
    await accept([
      keyed('two', 'k2'),
      keyed('other', 'k1'),
      keyed('four', 'k4'),
      keyed('four', 'k4'),
    ]),
  ).toEqual([second, 'other-request', expect.any(Number), expect.any(Number)]);
  const [again, same] = await accept([keyed('four', 'k4'), keyed('four', 'k4')]);
  expect(again).toBe(same);
  expect(new Set([first, second, alone, again]).size).toBe(4);
  expect(await rows(`SELECT COUNT(*) AS count FROM tasks WHERE name = 'four'`)).toEqual([
    { count: 1 },
  ]);
});

test('keys that were all answered before store nothing', async () => {
  const first = await accept([keyed('again', 'k9')]);
  const before = await rows('SELECT COUNT(*) AS count FROM tasks');
  expect(await accept([keyed('again', 'k9')])).toEqual(first);
  expect(await rows('SELECT COUNT(*) AS count FROM tasks')).toEqual(before);
});

test('a template that was seen and is gone, as after a restore, is saved again', async () => {
  await accept([{ task: tagged('before') }]);
  await rows('DELETE FROM templates');
  const [id] = await accept([{ task: tagged('after') }]);
  expect(
    await rows(
      'SELECT templates.id FROM tasks JOIN templates ON templates.id = template_id WHERE tasks.id = ?',
      [id],
    ),
  ).toHaveLength(1);
});

test('the use of a template that was seen is noted once in an hour', async () => {
  const used = async () => (await rows('SELECT MAX(used_ms) AS usedMs FROM templates'))[0];
  await accept([{ task: tagged('now') }], NOW_MS + 1000);
  expect(await used()).toEqual({ usedMs: NOW_MS });
  await accept([{ task: tagged('later') }], NOW_MS + 3 * 3_600_000);
  expect(await used()).toEqual({ usedMs: NOW_MS + 3 * 3_600_000 });
});

test('nothing is stored of a group in which one task cannot be stored, and the next group is', async () => {
  const before = await rows('SELECT COUNT(*) AS count FROM tasks');
  const long = { ...tagged('ok'), name: 'n'.repeat(300) };
  await expect(accept([{ task: tagged('ok') }, { task: long }])).rejects.toThrow('name');
  expect(await rows('SELECT COUNT(*) AS count FROM tasks')).toEqual(before);
  expect(await accept([{ task: tagged('ok') }])).toEqual([expect.any(Number)]);
});

test('only a connection for such transactions takes several statements at once', async () => {
  await expect(database.pool.query('SELECT 1; SELECT 2')).rejects.toThrow(/syntax/i);
});
