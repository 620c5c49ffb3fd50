/** One database for a test file of submissions: emptied before each test, with one shape in it. */
import { afterAll, beforeAll, beforeEach } from 'vitest';
import {
  definitionContent,
  definitionDigest,
  shapeOf,
} from '../../core/container/job-definition.ts';
import { acceptAll } from '../accept.ts';
import { migrateDatabase, openDatabase, type Database } from '../../db/client.ts';
import { saveJobDefinition, saveShape, type ShapeRow } from '../../db/job-definitions.ts';
import { packSubmission } from '../../db/packing.ts';
import { moveTasks, moveTasksEach } from '../../db/tasks.ts';
import { manyTasks, newTask } from '../flow/harness.ts';
import { freshDatabase } from '../world.ts';
import { select } from '../../db/rows.ts';

export let database: Database;
/** Of every attempt that is made ready here. */
export let shape: ShapeRow;

beforeAll(async () => {
  const { url } = await freshDatabase();
  await migrateDatabase(url);
  database = openDatabase({ url, connections: 10 });
});
afterAll(() => database.close());
beforeEach(async () => {
  for (const table of [
    'owners',
    'tasks',
    'attempts',
    'submissions',
    'shapes',
    'job_definitions',
    'cache_entries',
    'cache_outputs',
    'cache_fingerprints',
    'cache_flights',
  ])
    await database.pool.query(`DELETE FROM ${table}`);
  shape = await makeShape('a');
});

/** A statement of the test itself. */
export const rows = (sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> =>
  select(database.pool, sql, values);

export async function makeShape(image: string): Promise<ShapeRow> {
  const content = definitionContent(
    image,
    { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
    { jobRole: '', hostFolder: '/h', sharedFolders: [], memoryGrowths: 0 },
  );
  const digest = definitionDigest(content);
  const jobDefinitionId = await saveJobDefinition(database.pool, { digest, content, nowMs: 1 });
  const scheduling = { queue: 'q', share: '', priority: 0 };
  const row = { shape: shapeOf(digest, scheduling), jobDefinitionId, ...scheduling };
  await saveShape(database.pool, { ...row, nowMs: 1 });
  return row;
}

/** Tasks at submit, ready to be packed. */
export async function readyTasks(count: number, owner = 'me'): Promise<number[]> {
  const { taskIds } = await acceptAll(database, {
    owner,
    scatter: { name: 's', tags: {} },
    tasks: manyTasks(count, (at) => newTask(`t${at}`)),
    nowMs: 1,
    dueMs: 2,
  });
  await moveTasks(database.pool, 'miss', taskIds, { nowMs: 2, dueMs: 3 });
  await moveTasksEach(
    database.pool,
    'staged',
    taskIds.map((id) => ({ id, set: { shape: shape.shape.toString('hex') } })),
    { nowMs: 100, dueMs: 4 },
  );
  return taskIds;
}

export const pack = (most = 100): Promise<number | undefined> =>
  packSubmission(database, { shape, most, nowMs: 200, dueMs: 300 });
export async function packed(count: number): Promise<{ id: number; taskIds: number[] }> {
  const taskIds = await readyTasks(count);
  const id = await pack();
  if (id === undefined) throw new Error('Nothing was packed.');
  return { id, taskIds };
}
export const isWon = (won: boolean): boolean => won;
