/** Scatters whose last task has ended. Each is found once, by whoever ended that task. */
import type { Session } from './client.ts';
import { select, selectFirst, write } from './rows.ts';

/** Call it after the commit that ended the tasks: of two that end the last ones, the later sees it. */
export async function findEndedScatters(
  session: Session,
  taskIds: readonly number[],
  nowMs: number,
): Promise<number[]> {
  if (taskIds.length === 0) return [];
  const scatters = await select<{ id: number }>(
    session,
    'SELECT DISTINCT scatter_id AS id FROM tasks WHERE id IN (?) AND scatter_id IS NOT NULL',
    [taskIds],
  );
  const ended: number[] = [];
  for (const { id } of scatters) if (await endScatter(session, id, nowMs)) ended.push(id);
  return ended;
}

async function endScatter(session: Session, id: number, nowMs: number): Promise<boolean> {
  // From its end: the last tasks of a scatter end last, as a rule.
  const open = await selectFirst(
    session,
    `SELECT id FROM tasks WHERE scatter_id = ? AND ended_ms IS NULL ORDER BY id DESC LIMIT 1`,
    [id],
  );
  if (open) return false;
  const result = await write(
    session,
    'UPDATE scatters SET ended_ms = ? WHERE id = ? AND ended_ms IS NULL',
    [nowMs, id],
  );
  return result.affectedRows === 1;
}

/** The scatter of the first task of a submission; undefined where that has none. */
export async function readScatterOf(
  session: Session,
  submissionId: number,
): Promise<{ id: number; createdMs: number } | undefined> {
  return selectFirst(
    session,
    `SELECT scatters.id, scatters.created_ms AS createdMs FROM attempts
      JOIN tasks ON tasks.id = attempts.task_id JOIN scatters ON scatters.id = tasks.scatter_id
     WHERE attempts.submission_id = ? AND attempts.array_index = 0`,
    [submissionId],
  );
}
