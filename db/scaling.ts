/** How many tasks are at each stage, for the scaling signal. */
import { stages, type Stage } from '../core/places.ts';
import type { Session } from './client.ts';
import { select } from './rows.ts';

/**
 * Reads the tasks that have not ended and no others: those in a submission by its index, the rest by
 * the times at which the sweeper would send them again (100,000 in 0.5 s on a busy machine).
 */
export async function countTasksPerStage(session: Session): Promise<Record<Stage, number>> {
  const rows = await select<{ place: Stage; tasks: number }>(
    session,
    `SELECT place, COUNT(*) AS tasks FROM tasks FORCE INDEX (tasks_due)
      WHERE due_ms IS NOT NULL GROUP BY place
     UNION ALL
     SELECT t.place, COUNT(*) AS tasks FROM submissions s
      STRAIGHT_JOIN tasks t FORCE INDEX (tasks_submission) ON t.submission_id = s.id
      WHERE s.state IN ('packed', 'calling', 'running') AND t.due_ms IS NULL AND t.ended_ms IS NULL
      GROUP BY t.place`,
  );
  const counts = Object.fromEntries(stages.map((stage) => [stage, 0])) as Record<Stage, number>;
  for (const { place, tasks } of rows) counts[place] += tasks;
  return counts;
}
