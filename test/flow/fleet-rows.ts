/** What tests of a fleet read from its database. */
import type { RowDataPacket } from 'mysql2/promise';
import type { TaskSpec } from '../../core/task/task.ts';
import { fillTemplate, type Template } from '../../core/task/template.ts';
import type { Database } from '../../db/client.ts';
import { isDatabaseAway } from '../../db/unavailable.ts';

/** What tests look at in a task. */
export interface TaskState {
  id: number;
  place: string;
  attempt: number;
  hostLosses: number;
  hostFaults: number;
  memoryGrowths: number;
  failureCode: string | null;
  failure: string | null;
  hitEntryId: number | null;
  warnings: string | null;
}

/** Only a test that fails waits this long; a machine that does much else at once is slow. */
export const PATIENCE_MS = 45_000;
export const LOOK_MS = 15;

/** The test's own reads outlive a database that is killed and comes back. */
export async function onceThere<T>(read: () => Promise<T>): Promise<T> {
  const startMs = Date.now();
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (!isDatabaseAway(error) || Date.now() - startMs > PATIENCE_MS) throw error;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

export async function readTasks(database: Database, ids: readonly number[]): Promise<TaskState[]> {
  const [rows] = await database.pool.query<(TaskState & RowDataPacket)[]>(
    `SELECT id, place, attempt, host_losses AS hostLosses, host_faults AS hostFaults,
     memory_growths AS memoryGrowths,
       failure_code AS failureCode, failure, hit_entry_id AS hitEntryId, warnings
     FROM tasks WHERE id IN (?) ORDER BY id`,
    [ids],
  );
  return rows;
}

/** The task at an index of a submission, in whichever database has it. */
export async function findTask(
  databases: readonly Database[],
  key: string,
  index: number,
): Promise<{ taskId: number; spec: TaskSpec }> {
  const rows = await Promise.all(databases.map((database) => findTaskIn(database, key, index)));
  const row = rows.find((one) => one !== undefined);
  if (!row) throw new Error(`No task is at index ${index} of submission ${key}.`);
  return {
    taskId: row['id'] as number,
    spec: fillTemplate(
      JSON.parse(String(row['body'])) as Template,
      JSON.parse(String(row['slot_values'])) as string[],
    ),
  };
}

async function findTaskIn(
  database: Database,
  key: string,
  index: number,
): Promise<RowDataPacket | undefined> {
  const [[row]] = await database.pool.query<RowDataPacket[]>(
    `SELECT tasks.id, tasks.slot_values, templates.body
     FROM submissions JOIN attempts ON attempts.submission_id = submissions.id
     JOIN tasks ON tasks.id = attempts.task_id
     JOIN templates ON templates.id = tasks.template_id
     WHERE submissions.submission_key = ? AND attempts.array_index = ?`,
    [key, index],
  );
  return row;
}

/** What a failed test should show of the fleet. */
export async function describeFleet(
  database: Database,
  lines: readonly Record<string, unknown>[],
): Promise<string> {
  const [tasks] = await database.pool.query<RowDataPacket[]>(
    'SELECT place, COUNT(*) AS count, MAX(failure) AS failure FROM tasks GROUP BY place',
  );
  const [submissions] = await database.pool.query<RowDataPacket[]>(
    'SELECT id, state, size, calls, job_id FROM submissions LIMIT 5',
  );
  const errors = lines.filter(({ level }) => Number(level) >= 40).slice(-5);
  return JSON.stringify({ tasks, submissions, errors });
}
