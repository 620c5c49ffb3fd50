/** Tasks over TES, checked against the specification, whose rows a test moves as the workers would. */
import { expect } from 'vitest';
import { submissionPrefix } from '../core/files/s3-layout.ts';
import { parseId } from '../core/ids.ts';
import type { ResultRecord } from '../core/result/result.ts';
import type { ApiWorld } from './api-world.ts';
import { violations } from './tes-spec.ts';

export const TES = '/ga4gh/tes/v1';

export const simple = { executors: [{ image: 'alpine', command: ['true'] }] };

export const keyOf = (id: string): number => parseId('task', id)?.key ?? 0;

export const postIn =
  (world: ApiWorld) =>
  async (task: object): Promise<string> => {
    const made = await world.call('POST', `${TES}/tasks`, task);
    expect(violations('tesCreateTaskResponse', made.json)).toEqual([]);
    return made.json.id;
  };

export const getIn = (world: ApiWorld) => async (id: string, view: string) => {
  const { json, status } = await world.call('GET', `${TES}/tasks/${id}?view=${view}`);
  expect([status, violations('tesTask', json, view)]).toEqual([200, []]);
  return json;
};

export const sqlIn =
  ({ database }: ApiWorld) =>
  (statement: string, values: unknown[] = []) =>
    database.pool.query(
      statement,
      values.map((value) => value ?? null),
    );

interface EndedAttempt {
  outcome: string;
  exitCode?: number;
  reason?: string;
  result?: ResultRecord;
}

export interface StartedAttempt {
  number?: number;
  startedMs?: number;
  ended?: EndedAttempt;
}

/** Where the objects of a submission of these worlds are. */
export const prefixOf = (submissionKey: string): string =>
  submissionPrefix({ installation: '00', owner: '', submissionKey });

let submissions = 0;
/** Starts an attempt in its own submission, as the workers would. Returns the submission's key. */
export const attemptIn = (world: ApiWorld) => {
  const sql = sqlIn(world);
  return async (
    id: string,
    { number = 1, startedMs, ended }: StartedAttempt = {},
  ): Promise<string> => {
    submissions += 1;
    const key = `key${submissions}`;
    const [made] = await sql(
      "INSERT INTO submissions (secret, installation, owner, submission_key, shape, state, size, open, queue, job_definition_id, job_id, created_ms) VALUES (REPEAT('s', 32), '00', '', ?, ?, 'running', 2, 2, 'fast', 1, 'job-1', 1)",
      [key, Buffer.alloc(16)],
    );
    const submissionId = (made as { insertId: number }).insertId;
    await sql(
      'INSERT INTO attempts (task_id, number, submission_id, array_index, started_ms, created_ms) VALUES (?, ?, ?, 1, ?, 1)',
      [keyOf(id), number, submissionId, startedMs],
    );
    await sql("UPDATE tasks SET place = 'poll', submission_id = ?, attempt = ? WHERE id = ?", [
      submissionId,
      number,
      keyOf(id),
    ]);
    if (ended) {
      const { outcome, exitCode, reason, result } = ended;
      await sql(
        'UPDATE attempts SET outcome = ?, exit_code = ?, reason = ?, result = ?, batch_attempt = 1, ended_ms = 9000 WHERE task_id = ? AND number = ?',
        [outcome, exitCode, reason, result && JSON.stringify(result), keyOf(id), number],
      );
    }
    return key;
  };
};

export const endIn =
  (world: ApiWorld) =>
  (id: string, place: string, more = '') =>
    sqlIn(world)(`UPDATE tasks SET place = ?, ended_ms = 10000 ${more} WHERE id = ?`, [
      place,
      keyOf(id),
    ]);
