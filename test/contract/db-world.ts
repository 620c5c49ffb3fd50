/** One database for a test file of submissions: emptied before each test, with one shape in it. */
import { randomBytes } from 'node:crypto';
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

export async function makeShape(image: string, owner = 'me'): Promise<ShapeRow> {
  const content = definitionContent(
    image,
    { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
    { jobRole: '', hostFolder: '/h', sharedFolders: [], memoryGrowths: 0 },
  );
  const digest = definitionDigest(content);
  const jobDefinitionId = await saveJobDefinition(database.pool, { digest, content, nowMs: 1 });
  const scheduling = { queue: 'q', share: '', priority: 0, tags: {} };
  const shape = shapeOf(digest, scheduling, owner);
  const row = { shape, jobDefinitionId, ...scheduling, owner };
  await saveShape(database.pool, { ...row, nowMs: 1 });
  return row;
}

/** Tasks at submit, ready to be packed. */
export async function readyTasks(count: number, of: ShapeRow = shape): Promise<number[]> {
  const { owner } = of;
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
    taskIds.map((id) => ({ id, set: { shape: of.shape.toString('hex') } })),
    { nowMs: 100, dueMs: 4 },
  );
  return taskIds;
}

/** What a packer draws. */
export const draw = () => ({
  installation: 'c0'.repeat(8),
  submissionKey: randomBytes(16).toString('hex'),
  secret: randomBytes(32),
});

export const pack = (most = 100): Promise<number | undefined> =>
  packSubmission(database, { shape, drawn: draw(), most, nowMs: 200, dueMs: 300 });
export async function packed(count: number): Promise<{ id: number; taskIds: number[] }> {
  const taskIds = await readyTasks(count);
  const id = await pack();
  if (id === undefined) throw new Error('Nothing was packed.');
  return { id, taskIds };
}
export const isWon = (won: boolean): boolean => won;
