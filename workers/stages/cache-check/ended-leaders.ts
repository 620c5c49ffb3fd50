/** The leaders that tasks at cache-check waited for, as far as they have ended. */
import { commandFailure, type EndedLeader } from '../../../core/cache/after-leader.ts';
import { publicId } from '../../../core/ids.ts';
import { readResults } from '../../../db/attempts.ts';
import { readEndedLeaders } from '../../../db/call-cache.ts';
import type { TaskRow } from '../../../db/tasks.ts';
import type { Runtime } from '../../runtime.ts';

/** By id of the row. */
export async function endedLeaders(
  runtime: Runtime,
  waiting: readonly TaskRow[],
): Promise<Map<number, EndedLeader>> {
  const { pool } = runtime.database;
  const ids = new Set(waiting.flatMap(({ waitsFor }) => waitsFor ?? []));
  const rows = await readEndedLeaders(pool, [...ids]);
  const failed = rows.filter(({ place }) => place === 'failed');
  const results = await readResults(
    pool,
    failed.map(({ id, attempt }) => ({ taskId: id, number: attempt })),
  );
  const templates = await runtime.templates.read(
    pool,
    rows.map(({ templateId }) => templateId),
  );
  const leaders = new Map<number, EndedLeader>();
  for (const row of rows) {
    const template = templates.get(row.templateId)?.template;
    if (!template) continue;
    const ignored = template.executors.map(({ ignore_error }) => ignore_error === true);
    leaders.set(row.id, {
      id: publicId('task', row),
      place: row.place,
      owner: row.owner,
      fingerprint: row.fingerprint?.toString('hex') ?? '',
      resources: template.resources,
      hadEntry: row.hadEntry === 1,
      commandFailure: commandFailure(row.failureCode, results.get(row.id), ignored),
    });
  }
  return leaders;
}
