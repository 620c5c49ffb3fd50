/** Statements of the pruning: what each leaves alone, and what it costs. */
import { beforeEach, expect, test } from 'vitest';
import { NOTE_USE_MS } from '../../core/retention.ts';
import { saveFingerprints } from '../../db/cache-fingerprints.ts';
import { deleteFingerprints, readUnusedFingerprints } from '../../db/cache-retention.ts';
import { inTransaction } from '../../db/client.ts';
import { saveJobDefinition, saveShape } from '../../db/job-definitions.ts';
import { prepareTasks, saveTemplates } from '../../db/new-tasks.ts';
import {
  deleteDefinitions,
  deleteShapes,
  deleteTasks,
  deleteTemplates,
  readOldestTasks,
} from '../../db/retention.ts';
import { moveTasks } from '../../db/tasks.ts';
import { acceptAll } from '../accept.ts';
import { manyTasks, newTask } from '../flow/harness.ts';
import { database, packed, readyTasks, rows, shape } from './db-world.ts';

beforeEach(() => database.pool.query('DELETE FROM task_tags'));

const LATER = NOTE_USE_MS * 3;
const nothing = { fingerprint: Buffer.alloc(0), usedMs: 0 };

test('ended tasks go with their tags, and others stay with theirs', async () => {
  const { taskIds } = await acceptAll(database, {
    owner: 'me',
    tasks: manyTasks(200, (at) =>
      newTask(`t${at}`, { tags: { run: 'a', Run: 'ü', at: String(at) } }),
    ),
    nowMs: 1,
    dueMs: 2,
  });
  await inTransaction(database, (open) =>
    moveTasks(open, 'cancel', taskIds.slice(0, 60), { nowMs: 4, dueMs: null }),
  );
  const page = await readOldestTasks(database.pool, 0);
  const old = page.filter(({ endedMs }) => endedMs !== null);
  expect([page.length, old.length]).toEqual([100, 60]);
  expect(await deleteTasks(database, old, 4)).toBe(0);
  expect(await deleteTasks(database, old, 5)).toBe(60);
  expect(await rows('SELECT COUNT(*) AS tags FROM task_tags')).toEqual([{ tags: 420 }]);
  expect(await rows('SELECT MIN(id) AS id FROM tasks')).toEqual([{ id: taskIds[60] }]);
});

test('a template that is used again is noted, and made again when it was pruned just then', async () => {
  const prepared = await prepareTasks([newTask('t')], { isScatter: false });
  const save = async (nowMs: number) => [
    ...(await saveTemplates(database, prepared, { owner: 'me', nowMs })).values(),
  ];
  const [id = 0] = await save(1);
  expect(await save(NOTE_USE_MS)).toEqual([id]);
  expect(await save(LATER)).toEqual([id]);
  expect(await deleteTemplates(database.pool, [id], LATER)).toBe(0);
  expect(await deleteTemplates(database.pool, [id], LATER + 1)).toBe(1);
  expect(await save(LATER)).not.toEqual([id]);
});

test('a shape stays while a task waits with it or a submission has it, and its definition stays with it', async () => {
  await readyTasks(1);
  expect(await deleteShapes(database.pool, LATER)).toBe(0);
  await database.pool.query('DELETE FROM tasks');
  const { id } = await packed(1);
  await database.pool.query('DELETE FROM tasks');
  expect(await deleteShapes(database.pool, LATER)).toBe(0);
  await database.pool.query('DELETE FROM submissions WHERE id = ?', [id]);
  await saveShape(database.pool, { ...shape, nowMs: LATER });
  expect(await deleteShapes(database.pool, LATER)).toBe(0);
  expect(await deleteDefinitions(database.pool, LATER)).toBe(0);
  expect(await deleteShapes(database.pool, LATER + 1)).toBe(1);
  const [definition] = await rows('SELECT digest FROM job_definitions');
  const digest = definition?.['digest'] as Buffer;
  const content = { type: 'container' } as never;
  await saveJobDefinition(database.pool, { digest, content, nowMs: LATER });
  expect(await deleteDefinitions(database.pool, LATER)).toBe(0);
  expect(await deleteDefinitions(database.pool, LATER + 1)).toBe(1);
});

test('a fingerprint stays while a usable entry has it, and while misses use it', async () => {
  const prints = [1, 2, 3, 4].map((byte) => Buffer.alloc(32, byte));
  const save = (nowMs: number, some: Buffer[]) =>
    saveFingerprints(
      database.pool,
      some.map((fingerprint) => ({
        fingerprint,
        base: fingerprint,
        listedFingerprint: fingerprint,
        inputs: [],
      })),
      nowMs,
    );
  await save(1, prints);
  await save(LATER, prints.slice(3));
  const insert = (
    fingerprint: Buffer | undefined,
    listed: Buffer | undefined,
    usable: boolean,
    task: number,
  ) =>
    database.pool.query(
      "INSERT INTO cache_entries (domain, fingerprint, listed_fingerprint, task_id, usable, created_ms) VALUES ('', ?, ?, ?, ?, 1)",
      [fingerprint, listed, task, usable],
    );
  await insert(prints[0], Buffer.alloc(32), true, 1);
  await insert(Buffer.alloc(32), prints[1], true, 2);
  await insert(prints[2], prints[2], false, 3);
  const unused = await readUnusedFingerprints(database.pool, nothing, LATER);
  expect(unused).toHaveLength(3);
  expect(await deleteFingerprints(database.pool, prints, LATER)).toBe(1);
  expect(await rows('SELECT HEX(LEFT(fingerprint, 1)) AS print FROM cache_fingerprints')).toEqual([
    { print: '01' },
    { print: '02' },
    { print: '04' },
  ]);
});
