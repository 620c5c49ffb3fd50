/** Tasks as rows of a table. */
import { publicId } from '../../core/ids.ts';
import { shownStateOf } from '../../core/profiles/profiles.ts';
import { readReportedTasks } from '../../db/reported-tasks.ts';
import { readTaskSummaries, type TaskSummaryRow } from '../../db/task-summaries.ts';
import type { TaskStanding } from '../../db/task-views.ts';
import type { ApiContext } from '../context.ts';
import { rfc3339 } from '../http/rfc3339.ts';
import type { TaskSummary } from '../schemas/summaries.ts';

/** In the order given. */
export async function summarize(
  { database, waiting }: Pick<ApiContext, 'database' | 'waiting'>,
  standings: readonly TaskStanding[],
): Promise<TaskSummary[]> {
  const ids = standings.map(({ id }) => id);
  const [rows, reported] = await Promise.all([
    readTaskSummaries(database.pool, ids),
    readReportedTasks(database.pool, ids),
  ]);
  const byId = new Map(rows.map((row) => [row.id, row]));
  const waits = new Map(
    reported.map(({ id, waits: facts }) => [id, facts && waiting.decide(facts)?.message]),
  );
  return standings.flatMap((standing) => {
    const row = byId.get(standing.id);
    return row ? [viewSummary(standing, row, waits.get(standing.id))] : [];
  });
}

const viewSummary = (
  standing: TaskStanding,
  row: TaskSummaryRow,
  waiting: string | undefined,
): TaskSummary => ({
  id: publicId('task', standing),
  name: row.name,
  state: shownStateOf(standing, '1.1'),
  place: row.place,
  since: rfc3339(row.movedMs),
  created: rfc3339(standing.createdMs),
  ...(row.endedMs !== null && { ended: rfc3339(row.endedMs) }),
  ...scatterOf(row),
  attempt: row.attempt,
  cache_hit: row.hit === 1,
  ...(row.failureCode !== null && {
    failure: { code: row.failureCode, message: row.failure ?? '' },
  }),
  ...(waiting !== undefined && { waiting }),
});

function scatterOf({ scatterId, scatterCreatedMs, scatterRow }: TaskSummaryRow) {
  if (scatterId === null || scatterCreatedMs === null) return {};
  return {
    scatter: publicId('scatter', { id: scatterId, createdMs: scatterCreatedMs }),
    ...(scatterRow !== null && { row: scatterRow }),
  };
}
