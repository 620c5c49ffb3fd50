/** A second fleet on the bucket and the Batch of a world: with a database and a Redis of its own. */
import type { RowDataPacket } from 'mysql2/promise';
import type { NewTask } from '../../core/task/task.ts';
import { migrateDatabase, openDatabase, type Database } from '../../db/client.ts';
import { taskNudges } from '../../queues/messages.ts';
import { openQueues, type Queues } from '../../queues/queues.ts';
import type { Workers } from '../../workers/main.ts';
import { acceptAll } from '../accept.ts';
import { freshDatabase, freshRedis } from '../world.ts';
import { readTasks, type TaskState } from './fleet-rows.ts';
import type { FleetWorld } from './harness.ts';

export interface SecondFleet {
  database: Database;
  queues: Queues;
  /** For `startWorkers` and `readConfig`. */
  settings: Record<string, string>;
  startWorkers(): Promise<Workers>;
  accept(tasks: readonly NewTask[]): Promise<number[]>;
  ended(ids: readonly number[]): Promise<TaskState[]>;
  close(): Promise<void>;
}

/** @param copyOf a database whose present content it begins with */
export async function startSecondFleet(
  world: FleetWorld,
  { copyOf }: { copyOf?: Database } = {},
): Promise<SecondFleet> {
  const [{ url, drop }, redis] = await Promise.all([freshDatabase(), freshRedis()]);
  await migrateDatabase(url);
  const database = openDatabase({ url, connections: 4 });
  if (copyOf) await copyRows(copyOf, database);
  world.playAlso(database);
  const queues = openQueues({ redisUrl: redis.url, prefix: '{second}', keepFinishedMs: 60_000 });
  const settings = {
    DATABASE_URL: url,
    REDIS_URL: redis.url,
    BATCHWELL_REDIS_PREFIX: '{second}',
  };
  const workers: Workers[] = [];
  const tasksOf = (ids: readonly number[]) => readTasks(database, ids);
  return {
    database,
    queues,
    settings,
    async startWorkers() {
      const started = await world.startWorkers({ settings });
      workers.push(started);
      return started;
    },
    async accept(tasks) {
      const nowMs = Date.now();
      const { taskIds } = await acceptAll(database, {
        owner: 'tester',
        tasks,
        nowMs,
        dueMs: nowMs + 20_000,
      });
      await queues.nudge(taskNudges('cache-check', taskIds, 250));
      return taskIds;
    },
    async ended(ids) {
      await world.until('the end of the tasks of the second fleet', async () =>
        (await tasksOf(ids)).every(({ place }) => ['done', 'failed', 'cancelled'].includes(place)),
      );
      return tasksOf(ids);
    },
    async close() {
      await Promise.all(workers.map((one) => one.close()));
      await queues.close();
      await database.close();
      await redis.drop();
      await drop();
    },
  };
}

/** As a backup and its restore do. */
async function copyRows(from: Database, to: Database): Promise<void> {
  const [[names]] = await from.pool.query<RowDataPacket[]>('SELECT DATABASE() AS source');
  const source = String(names?.['source']);
  const [columns] = await to.pool.query<RowDataPacket[]>(
    `SELECT table_name AS tableName, GROUP_CONCAT(CONCAT('\`', column_name, '\`')) AS columnNames
     FROM information_schema.columns
     WHERE table_schema = DATABASE() AND COALESCE(generation_expression, '') = ''
       AND table_name NOT LIKE '\\_\\_%' GROUP BY table_name`,
  );
  for (const { tableName, columnNames } of columns)
    await to.pool.query(
      `INSERT INTO \`${tableName}\` (${columnNames}) SELECT ${columnNames} FROM \`${source}\`.\`${tableName}\``,
    );
}
