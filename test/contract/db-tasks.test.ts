import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { acceptAll } from '../accept.ts';
import { cancelTasks } from '../../db/cancel.ts';
import { inTransaction, migrateDatabase, openDatabase, type Database } from '../../db/client.ts';
import { select } from '../../db/rows.ts';
import { takeDueTasks } from '../../db/sweep.ts';
import {
  addWarnings,
  failedTask,
  moveTasks,
  moveTasksEach,
  noteWaiting,
  readTasksAt,
} from '../../db/tasks.ts';
import { createTemplateCache, markTemplateStaged } from '../../db/templates.ts';
import { newTask, manyTasks } from '../flow/harness.ts';
import { repositoryFiles } from '../repository.ts';
import { freshDatabase } from '../world.ts';

let database: Database;
let url: string;
beforeAll(async () => {
  ({ url } = await freshDatabase());
  await Promise.all(Array.from({ length: 4 }, () => migrateDatabase(url)));
  database = openDatabase({ url, connections: 10 });
});
afterAll(() => database.close());
beforeEach(async () => {
  for (const table of ['tasks', 'task_tags', 'scatters', 'templates'])
    await database.pool.query(`DELETE FROM ${table}`);
});

const rows = (sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> =>
  select(database.pool, sql, values);
const count = async (table: string): Promise<number> =>
  Number((await rows(`SELECT COUNT(*) AS count FROM ${table}`))[0]?.['count']);
const accept = (tasks: Parameters<typeof acceptAll>[1]['tasks'], scatter?: string) =>
  acceptAll(database, {
    owner: 'me',
    tasks,
    nowMs: 1000,
    dueMs: 2000,
    ...(scatter === undefined ? {} : { scatter: { name: scatter, tags: {} } }),
  });
const shape = 'ab'.repeat(16);
const details = { nowMs: 5000, dueMs: 6000 };

test('several migrations at once create one schema', async () => {
  await Promise.all(Array.from({ length: 3 }, () => migrateDatabase(url)));
  const migrations = repositoryFiles('db/migrations/*.sql').length;
  expect(await rows('SELECT COUNT(*) AS applied FROM __drizzle_migrations')).toEqual([
    { applied: migrations },
  ]);
});

test('acceptTasks stores 10,000 tasks with ids in order, one template, and each row’s own values', async () => {
  const { taskIds, scatterId } = await accept(
    manyTasks(10_000, (at) => newTask(`t${at}`, { tags: { run: 'a', at: String(at) } })),
    'wide',
  );
  expect(taskIds).toHaveLength(10_000);
  const stored = await rows(
    `SELECT id, name, scatter_row, slot_values FROM tasks WHERE scatter_id = ? ORDER BY scatter_row`,
    [scatterId],
  );
  expect(stored.map(({ id }) => id as number)).toEqual(taskIds);
  expect(stored.every(({ name, scatter_row }) => name === `t${scatter_row}`)).toBe(true);
  expect(JSON.parse(String(stored[777]?.['slot_values']))).toEqual(['s3://data/out/t777', 't777']);
  expect([await count('templates'), await count('task_tags')]).toEqual([1, 20_000]);
  expect(
    await rows('SELECT task_id FROM task_tags WHERE tag_key = ? AND tag_value = ?', ['at', '9999']),
  ).toEqual([{ task_id: taskIds[9999] }]);
});

test('acceptTasks stores all of the tasks or none', async () => {
  const tasks = manyTasks(2500, (at) =>
    newTask(`t${at}`, at === 2400 ? { name: 'x'.repeat(300) } : {}),
  );
  await expect(accept(tasks, 'half')).rejects.toThrow(/name/);
  expect([await count('tasks'), await count('scatters')]).toEqual([0, 0]);
});

test('acceptTasks stores rows that together are longer than a server takes in one statement', async () => {
  const { taskIds } = await accept(
    manyTasks(300, (at) => newTask(`t${at}`, { description: 'd'.repeat(60_000) })),
    'long',
  );
  expect(taskIds).toHaveLength(300);
});

test('acceptTasks keeps one template when many tasks alike come at once', async () => {
  const accepted = await Promise.all(Array.from({ length: 8 }, () => accept([newTask('same')])));
  expect(new Set(accepted.flatMap(({ taskIds }) => taskIds)).size).toBe(8);
  expect(await count('templates')).toBe(1);
});

test('a move by a stale mover moves nothing, and the caller learns it', async () => {
  const { taskIds } = await accept(manyTasks(3, (at) => newTask(`t${at}`)));
  expect(await moveTasks(database.pool, 'miss', taskIds, details)).toBe(3);
  expect(await moveTasks(database.pool, 'miss', taskIds, details)).toBe(0);
  expect(
    await moveTasksEach(
      database.pool,
      'hit',
      taskIds.map((id) => ({ id, set: { hitEntryId: 7 } })),
      details,
    ),
  ).toBe(0);
  expect(await rows('SELECT DISTINCT place, moved_ms, due_ms, hit_entry_id FROM tasks')).toEqual([
    { place: 'stage-script', moved_ms: 5000, due_ms: 6000, hit_entry_id: null },
  ]);
});

test('a move that many make at once succeeds once per task', async () => {
  const { taskIds } = await accept(manyTasks(200, (at) => newTask(`t${at}`)));
  const moved = await Promise.all(
    Array.from({ length: 6 }, (_, at) =>
      moveTasks(database.pool, at % 2 === 0 ? 'miss' : 'cancel', taskIds, {
        nowMs: 5,
        dueMs: null,
      }),
    ),
  );
  const byPlace = await rows('SELECT place, COUNT(*) AS count FROM tasks GROUP BY place');
  expect(byPlace.reduce((sum, row) => sum + Number(row['count']), 0)).toBe(200);
  expect(moved.reduce((sum, one) => sum + one, 0)).toBeGreaterThanOrEqual(200);
  expect(moved.filter((one, at) => at % 2 === 1 && one > 0)).toHaveLength(1);
});

test('a move gives each task its own values', async () => {
  const {
    taskIds: [a = 0, b = 0, c = 0],
  } = await accept(manyTasks(3, (at) => newTask(`t${at}`)));
  expect(
    await moveTasksEach(
      database.pool,
      'miss',
      [
        { id: a, set: { fingerprint: '01'.repeat(32) } },
        { id: b, set: { fingerprint: null } },
      ],
      details,
    ),
  ).toBe(2);
  expect(await rows('SELECT id, LOWER(HEX(fingerprint)) AS print FROM tasks ORDER BY id')).toEqual([
    { id: a, print: '01'.repeat(32) },
    { id: b, print: null },
    { id: c, print: null },
  ]);
  const sentence = `quotes ' " \\ and 日本 😀\n${'long '.repeat(20_000)}`;
  expect(
    await inTransaction(database, (open) =>
      moveTasksEach(open, 'fail', [failedTask(a, { kind: 'internal', sentence })], {
        nowMs: 9,
        dueMs: null,
      }),
    ),
  ).toBe(1);
  const [failed] = await rows('SELECT place, failure, ended_ms, due_ms FROM tasks WHERE id = ?', [
    a,
  ]);
  expect(failed).toMatchObject({ place: 'failed', ended_ms: 9, due_ms: null });
  expect(String(failed?.['failure']).startsWith(sentence.slice(0, 7000))).toBe(true);
});

test('the database refuses a move that would leave a row in an impossible state', async () => {
  const {
    taskIds: [id = 0],
  } = await accept([newTask('t')]);
  await expect(
    inTransaction(database, (open) => moveTasks(open, 'fail', [id], details)),
  ).rejects.toThrow(/tasks_failed_has_reason/);
  await moveTasks(database.pool, 'miss', [id], details);
  await expect(moveTasks(database.pool, 'staged', [id], details)).rejects.toThrow(
    /tasks_submit_has_shape/,
  );
  await moveTasksEach(database.pool, 'staged', [{ id, set: { shape } }], details);
  await expect(moveTasks(database.pool, 'submitted', [id], details)).rejects.toThrow(
    /tasks_poll_has_submission/,
  );
  await expect(
    database.pool.query("UPDATE tasks SET place = 'done' WHERE id = ?", [id]),
  ).rejects.toThrow(/tasks_end_has_time/);
  await expect(
    database.pool.query("UPDATE tasks SET place = 'nowhere' WHERE id = ?", [id]),
  ).rejects.toThrow(/place/);
});

test('a task that has moved is not read at its former stage', async () => {
  const { taskIds } = await accept(manyTasks(2, (at) => newTask(`t${at}`)));
  await moveTasks(database.pool, 'miss', taskIds.slice(0, 1), details);
  expect((await readTasksAt(database.pool, 'cache-check', taskIds)).map(({ id }) => id)).toEqual(
    taskIds.slice(1),
  );
  expect(await readTasksAt(database.pool, 'cache-check', [])).toEqual([]);
  const [row] = await readTasksAt(database.pool, 'stage-script', taskIds);
  expect(row).toMatchObject({
    owner: 'me',
    cache: 'off',
    attempt: 0,
    hostLosses: 0,
    hostFaults: 0,
    memoryGrowths: 0,
    submissionId: null,
    movedMs: 5000,
    createdMs: 1000,
  });
});

test('a cancel ends each task that has not ended, once', async () => {
  const {
    taskIds: [a = 0, b = 0],
  } = await accept(manyTasks(2, (at) => newTask(`t${at}`)));
  await inTransaction(database, (open) =>
    moveTasksEach(open, 'fail', [failedTask(a, { kind: 'internal', sentence: 'x' })], {
      nowMs: 9,
      dueMs: null,
    }),
  );
  const both = await Promise.all([
    cancelTasks(database, [a, b], 10),
    cancelTasks(database, [b, a], 11),
  ]);
  expect(both.map(({ tasks }) => tasks).toSorted((x, y) => x.length - y.length)).toEqual([[], [b]]);
  expect(
    (await rows('SELECT place FROM tasks ORDER BY id')).map(({ place }) => place as string),
  ).toEqual(['failed', 'cancelled']);
});

test('a warning is added once', async () => {
  const {
    taskIds: [id = 0],
  } = await accept([newTask('t')]);
  await moveTasksEach(database.pool, 'hit', [{ id, set: { hitEntryId: 1 } }], details);
  for (let round = 0; round < 2; round += 1)
    await addWarnings(database.pool, [{ id, warnings: ['a "b"', 'c'] }]);
  expect(JSON.parse(String((await rows('SELECT warnings FROM tasks'))[0]?.['warnings']))).toEqual([
    'a "b"',
    'c',
  ]);
});

test('the leader that a task waits for is noted only while the task is at cache-check', async () => {
  const {
    taskIds: [a = 0, b = 0, c = 0],
  } = await accept(manyTasks(3, (at) => newTask(`t${at}`)));
  await moveTasks(database.pool, 'miss', [a], details);
  await noteWaiting(database.pool, [
    { id: a, leaderId: 7 },
    { id: b, leaderId: 7 },
    { id: c, leaderId: 8 },
  ]);
  expect(
    (await rows('SELECT id, waits_for FROM tasks WHERE waits_for IS NOT NULL ORDER BY id')).map(
      (row) => [row['id'], row['waits_for']],
    ),
  ).toEqual([
    [b, 7],
    [c, 8],
  ]);
});

test('a template is read once, unless its script is not in S3 yet', async () => {
  const {
    taskIds: [id = 0],
  } = await accept([newTask('t')]);
  const [task] = await readTasksAt(database.pool, 'cache-check', [id]);
  const templateId = task?.templateId ?? 0;
  const cache = createTemplateCache();
  expect((await cache.read(database.pool, [templateId])).get(templateId)?.scriptSha256).toBeNull();
  await markTemplateStaged(database.pool, templateId, 'ef'.repeat(32));
  await markTemplateStaged(database.pool, templateId, '00'.repeat(32));
  expect((await cache.read(database.pool, [templateId])).get(templateId)?.scriptSha256).toBe(
    'ef'.repeat(32),
  );
  await database.pool.query('DELETE FROM templates');
  expect((await cache.read(database.pool, [templateId])).get(templateId)?.scriptSha256).toBe(
    'ef'.repeat(32),
  );
});

test('several sweepers at once take each row once, the longest due first', async () => {
  await accept(manyTasks(900, (at) => newTask(`t${at}`)));
  const limits = { nowMs: 3000, dueMs: 9000, most: 300 };
  const taken = await Promise.all(Array.from({ length: 5 }, () => takeDueTasks(database, limits)));
  const ids = taken.flat().map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.length).toBeGreaterThanOrEqual(300);
  // One that comes while others hold their rows may find fewer than there are; by itself it finds
  // them all.
  for (
    let part = await takeDueTasks(database, limits);
    part.length > 0;
    part = await takeDueTasks(database, limits)
  )
    ids.push(...part.map(({ id }) => id));
  expect(ids.toSorted((a, b) => a - b)).toEqual(
    (await rows('SELECT id FROM tasks ORDER BY id')).map(({ id }) => id as number),
  );
});

test('a sweeper leaves tasks that are not due, have ended or are watched by others', async () => {
  const {
    taskIds: [a = 0, b = 0],
  } = await accept(manyTasks(2, (at) => newTask(`t${at}`)));
  expect(await takeDueTasks(database, { nowMs: 1999, dueMs: 9000, most: 10 })).toEqual([]);
  await cancelTasks(database, [a], 1500);
  expect(await takeDueTasks(database, { nowMs: 2000, dueMs: 9000, most: 10 })).toEqual([
    { id: b, place: 'cache-check', shape: null },
  ]);
});
