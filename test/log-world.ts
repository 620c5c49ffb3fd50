/** Tasks whose logs a test writes itself: rows as the workers leave them, and objects in a simulated S3. */
import { prefixOf } from './tes-world.ts';
import type { LogLine } from '../api/schemas/logs.ts';
import { windowMetadata } from '../core/container/live-log.ts';
import { parseId } from '../core/ids.ts';
import type { Answer, ApiWorld } from './api-world.ts';

/** The API polls S3 at this interval. */
export const LOG_SETTINGS = { liveLogsMs: 20 };

export const rowOf = (id: string): number => parseId('task', id)?.key ?? 0;

export const sqlIn =
  ({ database }: ApiWorld) =>
  (statement: string, values: unknown[] = []) =>
    database.pool.query(statement, values);

export const postIn =
  ({ call }: ApiWorld) =>
  async (executors = 1): Promise<string> => {
    const executor = { image: 'alpine', command: ['true'] };
    const body = { executors: Array.from({ length: executors }, () => executor) };
    return (await call('POST', '/v1/tasks', body)).json.id;
  };

let submissions = 0;
/** Starts an attempt, as the workers would. Returns the key of its submission. */
export const runIn = (world: ApiWorld) => {
  const sql = sqlIn(world);
  return async (id: string, number = 1): Promise<string> => {
    submissions += 1;
    const key = `sub${submissions}`;
    const [made] = await sql(
      "INSERT INTO submissions (secret, installation, owner, submission_key, shape, state, size, open, queue, job_definition_id, job_id, created_ms) VALUES (REPEAT('s', 32), '00', '', ?, ?, 'running', 2, 2, 'fast', 1, 'job-1', 1)",
      [key, Buffer.alloc(16)],
    );
    const { insertId } = made as { insertId: number };
    await sql(
      'INSERT INTO attempts (task_id, number, submission_id, array_index, started_ms, created_ms) VALUES (?, ?, ?, 7, 5, 1)',
      [rowOf(id), number, insertId],
    );
    await sql("UPDATE tasks SET place = 'poll', submission_id = ?, attempt = ? WHERE id = ?", [
      insertId,
      number,
      rowOf(id),
    ]);
    return key;
  };
};

export interface EndedAttempt {
  number?: number;
  outcome?: string;
  /** The number of Batch's own attempt; null where no result record was seen. */
  batchAttempt?: number | null;
}

export const endAttemptIn = (world: ApiWorld) => {
  const sql = sqlIn(world);
  return async (
    id: string,
    { number = 1, outcome = 'succeeded', batchAttempt = 1 }: EndedAttempt = {},
  ): Promise<void> => {
    await sql(
      'UPDATE attempts SET outcome = ?, batch_attempt = ?, ended_ms = 9 WHERE task_id = ? AND number = ?',
      [outcome, batchAttempt, rowOf(id), number],
    );
    await sql(
      'UPDATE submissions SET ended_ms = 9 WHERE id = (SELECT submission_id FROM tasks WHERE id = ?)',
      [rowOf(id)],
    );
  };
};

export const endTaskIn =
  (world: ApiWorld) =>
  (id: string, place = 'done') =>
    sqlIn(world)('UPDATE tasks SET place = ?, ended_ms = 10 WHERE id = ?', [place, rowOf(id)]);

/** Saves the whole log, and ends the attempt and its task. */
export const finishIn =
  (world: ApiWorld) =>
  async (
    id: string,
    key: string,
    text: string,
    { number = 1, batchAttempt = 1 } = {},
  ): Promise<void> => {
    world.logs.texts.set(`${prefixOf(key)}logs/00007/${batchAttempt}/0.stdout`, text);
    await endAttemptIn(world)(id, { number, batchAttempt });
    await endTaskIn(world)(id);
  };

/** Uploads the newest part of a log, as the stager does. */
export const shipIn =
  ({ logs }: ApiWorld) =>
  (key: string, text: string | Buffer, { offset = 0, batchAttempt = 1, cuts = 0 } = {}): void => {
    logs.windows.set(`${prefixOf(key)}live/00007/0.stdout`, {
      body: text,
      metadata: windowMetadata({ batchAttempt, cuts, offset }),
    });
  };

export const logsIn =
  ({ call }: ApiWorld) =>
  (id: string, query = ''): Promise<Answer> =>
    call('GET', `/v1/tasks/${id}/logs?${query}`);

export interface FollowedLog {
  response: Response;
  /** The text so far. */
  text(): string;
  /** Resolves once the text contains this; of NDJSON, the texts of its lines joined. */
  until(text: string): Promise<void>;
  /** The whole text; rejects when the reply is cut. */
  whole: Promise<string>;
  leave(): void;
}

export const followIn =
  ({ url }: ApiWorld) =>
  async (id: string, query = '', headers: Record<string, string> = {}): Promise<FollowedLog> => {
    const leaving = new AbortController();
    const response = await fetch(`${url}/v1/tasks/${id}/logs?follow=true${query}`, {
      headers,
      signal: leaving.signal,
    });
    const isLines = response.headers.get('content-type') === 'application/x-ndjson';
    return { response, ...collect(response, isLines), leave: () => leaving.abort() };
  };

function collect(
  response: Response,
  isLines: boolean,
): Pick<FollowedLog, 'text' | 'until' | 'whole'> {
  const chunks: Uint8Array[] = [];
  const text = () => Buffer.concat(chunks).toString('utf8');
  const wakes = new Set<() => void>();
  const whole = (async () => {
    for await (const chunk of response.body!) {
      chunks.push(chunk);
      for (const wake of wakes) wake();
    }
    return text();
  })();
  // A test may end before it awaits this.
  whole.catch(() => undefined);
  const textsOf = (lines: LogLine[]): string => lines.map((line) => line.text ?? '').join('');
  const until = (wanted: string) =>
    new Promise<void>((resolve) => {
      const wake = () =>
        (isLines ? textsOf(linesOf(text())) : text()).includes(wanted) && resolve();
      wakes.add(wake);
      wake();
    });
  return { text, until, whole };
}

/** The complete lines of an NDJSON reply. */
export const linesOf = (text: string): LogLine[] =>
  text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as LogLine);
