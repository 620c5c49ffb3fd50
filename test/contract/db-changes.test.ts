import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelTasks } from '../../db/cancel.ts';
import { pruneChanges, readChanges, readChangesKept, logChange } from '../../db/changes.ts';
import { inTransaction, migrateDatabase, openDatabase, type Database } from '../../db/client.ts';
import { failedTask, moveTasks, moveTasksEach } from '../../db/tasks.ts';
import { acceptAll } from '../accept.ts';
import { manyTasks, newTask } from '../flow/harness.ts';
import { freshDatabase } from '../world.ts';

let database: Database;
beforeAll(async () => {
  const { url } = await freshDatabase();
  await migrateDatabase(url);
  database = openDatabase({ url, connections: 5 });
});
afterAll(() => database.close());

const accept = async (count: number) =>
  (
    await acceptAll(database, {
      owner: 'me',
      tasks: manyTasks(count, (at) => newTask(`t${at}`)),
      nowMs: 1000,
      dueMs: 2000,
    })
  ).taskIds;
const newest = async (): Promise<number> => (await readChangesKept(database.pool)).newest;
const told = async (after: number) =>
  (await readChanges(database.pool, after, 1000)).changes.flatMap(({ tasks }) => tasks);
const details = { nowMs: 5000, dueMs: null };

test('the log records acceptance and every end, in rows of up to 1,000 tasks', async () => {
  const before = await newest();
  const [a = 0, b = 0, ...others] = await accept(2500);
  expect(await newest()).toBe(before + 3);
  expect(await told(before)).toEqual([a, b, ...others]);

  const accepted = await newest();
  await cancelTasks(database, [a], 3000);
  await inTransaction(database, (open) =>
    moveTasksEach(open, 'fail', [failedTask(b, { kind: 'internal', sentence: 'x' })], details),
  );
  expect((await readChanges(database.pool, accepted, 1000)).changes).toMatchObject([
    { tasks: [a], ended: true },
    { tasks: [b], ended: true },
  ]);
});

test('the log records no move that changed nothing, and none within the fleet', async () => {
  const [a = 0] = await accept(1);
  await cancelTasks(database, [a], 3000);
  const before = await newest();
  await cancelTasks(database, [a], 3000);
  await moveTasks(database.pool, 'miss', await accept(1), { nowMs: 5000, dueMs: 6000 });
  expect(await newest()).toBe(before + 1);
});

test('a reader waits for a change that got its id first and is committed last', async () => {
  const before = await newest();
  const late = Promise.withResolvers<void>();
  const written = Promise.withResolvers<void>();
  const slow = inTransaction(database, async (open) => {
    await logChange(open, [11], { ended: false });
    written.resolve();
    await late.promise;
  });
  await written.promise;
  await inTransaction(database, (open) => logChange(open, [12], { ended: false }));
  expect(await readChanges(database.pool, before, 1000)).toEqual({
    changes: [],
    upTo: before,
    more: true,
  });
  late.resolve();
  await slow;
  expect(await readChanges(database.pool, before, 1000)).toMatchObject({
    changes: [{ tasks: [11] }, { tasks: [12] }],
    upTo: before + 2,
    more: false,
  });
});

test('a change that was rolled back delays a reader by seconds only', async () => {
  const before = await newest();
  await expect(
    inTransaction(database, async (open) => {
      await logChange(open, [21], { ended: false });
      throw new Error('taken back');
    }),
  ).rejects.toThrow('taken back');
  await inTransaction(database, (open) => logChange(open, [22], { ended: false }));
  expect(await told(before)).toEqual([]);
  await database.pool.query('UPDATE task_changes SET created_ms = created_ms - 5000');
  expect(await told(before)).toEqual([22]);
});

test('pruning deletes old changes but keeps the newest, which holds the position of the log', async () => {
  await accept(1);
  const last = await newest();
  await database.pool.query('UPDATE task_changes SET created_ms = created_ms - 50000');
  expect(await pruneChanges(database.pool, { keepMs: 60_000, most: 1000 })).toBe(0);
  expect(await pruneChanges(database.pool, { keepMs: 20_000, most: 1000 })).toBeGreaterThan(5);
  expect(await readChangesKept(database.pool)).toEqual({
    from: last - 1,
    start: Math.max(0, last - 100),
    newest: last,
  });
});
