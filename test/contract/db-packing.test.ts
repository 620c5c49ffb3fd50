/** Ready attempts become submissions. */
import { describe, expect, test } from 'vitest';
import { endAttempts, readAttemptTasks, readOpenAttempts } from '../../db/attempts.ts';
import { inTransaction } from '../../db/client.ts';
import { packSubmission, readReady } from '../../db/packing.ts';
import { readSubmissions } from '../../db/submissions.ts';
import type { ShapeRow } from '../../db/job-definitions.ts';
import { database, draw, makeShape, shape, rows, readyTasks, pack, packed } from './db-world.ts';

describe('packing within limits of owners', () => {
  const packLimited = (limits: Record<string, number>, of: ShapeRow): Promise<number | undefined> =>
    packSubmission(database, {
      shape: of,
      drawn: draw(),
      most: 100,
      nowMs: 200,
      dueMs: 300,
      limitOf: (owner) => limits[owner] ?? Number.POSITIVE_INFINITY,
    });
  const packedOf = async (owner: string): Promise<number> =>
    Number(
      (
        await rows(
          'SELECT COUNT(*) AS count FROM tasks WHERE owner = ? AND submission_id IS NOT NULL',
          [owner],
        )
      )[0]?.['count'],
    );

  test('a packer takes an owner’s tasks up to its limit, and all tasks of other owners', async () => {
    const [byAnn, byBob] = [await makeShape('a', 'ann'), await makeShape('a', 'bob')];
    await readyTasks(30, byAnn);
    await readyTasks(20, byBob);
    for (const of of [byAnn, byBob]) expect(await packLimited({ ann: 5 }, of)).toBeDefined();
    expect([await packedOf('ann'), await packedOf('bob')]).toEqual([5, 20]);
    expect(await packLimited({ ann: 5 }, byAnn)).toBeUndefined();
  });

  test('packing within a limit continues as attempts end', async () => {
    const byAnn = await makeShape('a', 'ann');
    await readyTasks(8, byAnn);
    const first = await packLimited({ ann: 5 }, byAnn);
    const id = first ?? 0;
    const open = await readOpenAttempts(database.pool, [id]);
    await inTransaction(database, (session) =>
      endAttempts(
        session,
        open.slice(0, 2).map(({ taskId, number }) => ({
          taskId,
          number,
          submissionId: id,
          outcome: 'succeeded',
        })),
        1,
      ),
    );
    expect(await packLimited({ ann: 5 }, byAnn)).toBeDefined();
    expect(await packedOf('ann')).toBe(7);
  });

  test('8 packers at once stay within the limit of an owner', async () => {
    const byAnn = await makeShape('a', 'ann');
    await readyTasks(200, byAnn);
    await Promise.all(Array.from({ length: 8 }, () => packLimited({ ann: 37 }, byAnn)));
    expect(await packedOf('ann')).toBe(37);
  });
});

test('8 packers at once put every task into exactly one submission', async () => {
  const taskIds = await readyTasks(1000);
  const made: number[] = [];
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let id = await pack(90); id !== undefined; id = await pack(90)) made.push(id);
    }),
  );
  for (let id = await pack(90); id !== undefined; id = await pack(90)) made.push(id); // what all of them passed over
  const attempts = await rows(
    'SELECT task_id, number, submission_id, array_index FROM attempts ORDER BY task_id',
  );
  expect(attempts.map(({ task_id }) => task_id as number)).toEqual(taskIds);
  expect(new Set(attempts.map(({ submission_id }) => submission_id as number))).toEqual(
    new Set(made),
  );
  for (const { id, size } of await readSubmissions(database.pool, made)) {
    const mine = attempts.filter(({ submission_id }) => submission_id === id);
    expect(mine.map(({ array_index }) => Number(array_index)).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: size }, (_, at) => at),
    );
  }
  expect(await rows('SELECT DISTINCT attempt, due_ms FROM tasks')).toEqual([
    { attempt: 1, due_ms: null },
  ]);
});

test('a packer reads how many attempts are ready, up to what it can use, and since when', async () => {
  const hex = shape.shape.toString('hex');
  expect(await readReady(database.pool, hex, 10, 200)).toEqual({
    count: 0,
    oldestMs: 0,
    newestMs: 0,
  });
  const [late] = await readyTasks(5);
  await database.pool.query('UPDATE tasks SET moved_ms = 150 WHERE id = ?', [late]);
  expect(await readReady(database.pool, hex, 10, 200)).toEqual({
    count: 5,
    oldestMs: 100,
    newestMs: 150,
  });
  expect((await readReady(database.pool, hex, 3, 200)).count).toBe(3);
  await pack();
  expect((await readReady(database.pool, hex, 10, 200)).count).toBe(0);
  expect(await pack()).toBeUndefined();
});

test('an attempt that pauses is packed after its pause, and holds no other up', async () => {
  const hex = shape.shape.toString('hex');
  const [paused] = await readyTasks(2);
  await database.pool.query('UPDATE tasks SET retry_ms = 250 WHERE id = ?', [paused]);
  expect((await readReady(database.pool, hex, 1, 200)).count).toBe(1);
  const takeAt = (nowMs: number) =>
    packSubmission(database, { shape, drawn: draw(), most: 100, nowMs, dueMs: 300 });
  expect(await takeAt(200)).toBeDefined();
  expect(await rows('SELECT id FROM tasks WHERE submission_id IS NULL')).toEqual([{ id: paused }]);
  expect(await readReady(database.pool, hex, 10, 200)).toMatchObject({ count: 0, laterMs: 250 });
  expect(await takeAt(249)).toBeUndefined();
  expect(await readReady(database.pool, hex, 10, 250)).toMatchObject({ count: 1 });
  expect(await takeAt(250)).toBeDefined();
});

test('a manifest keeps the order of its array', async () => {
  const { id, taskIds } = await packed(20);
  const tasks = await readAttemptTasks(database.pool, id);
  expect(tasks.map(({ taskId }) => taskId)).toEqual(taskIds);
  expect(tasks.map(({ slotValues }) => (JSON.parse(slotValues) as string[])[1])).toEqual(
    Array.from({ length: 20 }, (_, at) => `t${at}`),
  );
});
