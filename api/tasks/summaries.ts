/** Tasks as rows of a table. */
import { publicId } from '../../core/ids.ts';
import { shownStateOf } from '../../core/profiles/profiles.ts';
import { readTaskSummaries, type TaskSummaryRow } from '../../db/task-summaries.ts';
import type { TaskStanding } from '../../db/task-views.ts';
import type { ApiContext } from '../context.ts';
import { rfc3339 } from '../http/rfc3339.ts';
import type { TaskSummary } from '../schemas/summaries.ts';

/** In the order given. */
export async function summarize(
  { database }: Pick<ApiContext, 'database'>,
  standings: readonly TaskStanding[],
): Promise<TaskSummary[]> {
  const rows = await readTaskSummaries(
    database.pool,
    standings.map(({ id }) => id),
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return standings.flatMap((standing) => {
    const row = byId.get(standing.id);
    return row ? [viewSummary(standing, row)] : [];
  });
}

const viewSummary = (standing: TaskStanding, row: TaskSummaryRow): TaskSummary => ({
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
  ...(row.waitingReason !== null && { waiting: row.waitingReason }),
});

function scatterOf({ scatterId, scatterCreatedMs, scatterRow }: TaskSummaryRow) {
  if (scatterId === null || scatterCreatedMs === null) return {};
  return {
    scatter: publicId('scatter', { id: scatterId, createdMs: scatterCreatedMs }),
    ...(scatterRow !== null && { row: scatterRow }),
  };
}
