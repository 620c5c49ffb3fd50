/** Which attempts run, as far as poll has seen it. For display only: no outcome depends on it. */
import { logChange } from './changes.ts';
import { inTransaction, type Database } from './client.ts';
import { select, write } from './rows.ts';
import { inParts } from './statement-size.ts';

/** How far a submission is, as Batch counts it. */
export interface SeenProgress {
  id: number;
  /** How many of its attempts Batch has not started. */
  unstarted: number;
  /** Whether any of them runs or has run. */
  hasRun: boolean;
}

/** Call it for submissions whose counts have changed. */
export async function noteProgress(
  { pool }: Database,
  seen: readonly SeenProgress[],
  nowMs: number,
): Promise<void> {
  const rows = seen.map(({ id, unstarted, hasRun }) => [id, unstarted, hasRun ? nowMs : null]);
  for (const part of inParts(rows))
    await write(
      pool,
      `UPDATE submissions JOIN JSON_TABLE(?, '$[*]' COLUMNS (
           id BIGINT PATH '$[0]', unstarted INT PATH '$[1]', runningMs BIGINT PATH '$[2]')) AS seen
         ON seen.id = submissions.id
       SET submissions.unstarted = seen.unstarted,
         submissions.running_ms = COALESCE(submissions.running_ms, seen.runningMs)`,
      [JSON.stringify(part)],
    );
}

export interface StartedAttempt {
  submissionId: number;
  arrayIndex: number;
  startedMs: number;
}

/** They are RUNNING from now on; those that have ended, or were known to run, stay as they are. */
export async function noteStarts(
  database: Database,
  started: readonly StartedAttempt[],
): Promise<void> {
  for (const part of inParts(
    started.map(({ submissionId, arrayIndex, startedMs }) => [submissionId, arrayIndex, startedMs]),
  ))
    await inTransaction(database, async (session) => {
      const seen = JSON.stringify(part);
      const rows = await select<{ id: number }>(
        session,
        `SELECT tasks.id FROM ${SEEN} JOIN tasks ON tasks.id = attempts.task_id
          WHERE ${IS_NEW} AND tasks.place = 'poll'`,
        [seen],
      );
      if (rows.length === 0) return;
      await write(
        session,
        `UPDATE ${SEEN} SET attempts.started_ms = seen.startedMs WHERE ${IS_NEW}`,
        [seen],
      );
      await logChange(
        session,
        rows.map(({ id }) => id),
        { ended: false },
      );
    });
}

const SEEN = `attempts JOIN JSON_TABLE(?, '$[*]' COLUMNS (
      submissionId BIGINT PATH '$[0]', arrayIndex INT PATH '$[1]', startedMs BIGINT PATH '$[2]')) AS seen
    ON seen.submissionId = attempts.submission_id AND seen.arrayIndex = attempts.array_index`;
const IS_NEW = 'attempts.outcome IS NULL AND attempts.started_ms IS NULL';

/** A host was lost, and Batch has not started them again: they wait once more. */
export async function takeBackStarts(
  database: Database,
  submissionId: number,
  indexes: readonly number[],
): Promise<void> {
  if (indexes.length === 0) return;
  await inTransaction(database, async (session) => {
    const rows = await select<{ id: number }>(
      session,
      `SELECT task_id AS id FROM attempts
        WHERE submission_id = ? AND array_index IN (?) AND outcome IS NULL AND started_ms IS NOT NULL`,
      [submissionId, indexes],
    );
    await write(
      session,
      `UPDATE attempts SET started_ms = NULL
        WHERE submission_id = ? AND array_index IN (?) AND outcome IS NULL`,
      [submissionId, indexes],
    );
    await logChange(
      session,
      rows.map(({ id }) => id),
      { ended: false },
    );
  });
}

/** The tasks of a submission that wait, do so for another reason than before. */
export async function logSubmission(database: Database, submissionId: number): Promise<void> {
  await inTransaction(database, async (session) => {
    const rows = await select<{ id: number }>(
      session,
      `SELECT id FROM tasks WHERE submission_id = ? AND place IN ('submit', 'poll')`,
      [submissionId],
    );
    await logChange(
      session,
      rows.map(({ id }) => id),
      { ended: false },
    );
  });
}
