/** Cancels tasks and nudges the workers that must act on it. */
import { cancelTasks } from '../../db/cancel.ts';
import { taskNudges } from '../../queues/messages.ts';
import { viewScatter } from '../../core/scatter/scatter-view.ts';
import { findEndedScatters } from '../../db/scatter-ends.ts';
import { countScatter, readScatter } from '../../db/scatter-views.ts';
import { logScatterEnd } from '../../telemetry/scatter-lines.ts';
import type { NudgeSender } from '../intake/nudge-sender.ts';
import type { ApiDependencies } from '../dependencies.ts';

/** Returns the number of tasks that had not ended. */
export async function cancelAndNudge(
  dependencies: Pick<ApiDependencies, 'config' | 'database' | 'metrics' | 'nowMs' | 'log'>,
  nudgeSender: NudgeSender,
  ids: readonly number[],
): Promise<number> {
  const { tasks, queues, waiting } = await cancelTasks(
    dependencies.database,
    ids,
    dependencies.nowMs(),
  );
  await logEndedScatters(dependencies, tasks).catch(() => undefined);
  dependencies.metrics.tasksEnded.inc({ place: 'cancelled' }, tasks.length);
  nudgeSender.send([
    // Their jobs may still run: the worker that polls the queue ends them.
    ...queues.map((queue) => ({ stage: 'poll' as const, message: { queue } })),
    ...taskNudges('cache-check', waiting, dependencies.config.chunkSize),
  ]);
  return tasks.length;
}

/** The workers do the same for tasks that end by themselves. */
async function logEndedScatters(
  { database: { pool }, log, nowMs }: Pick<ApiDependencies, 'database' | 'log' | 'nowMs'>,
  tasks: readonly number[],
): Promise<void> {
  for (const id of await findEndedScatters(pool, tasks, nowMs())) {
    const scatter = await readScatter(pool, id);
    if (!scatter) continue;
    const summary = viewScatter(scatter, await countScatter(pool, id));
    logScatterEnd(log, { owner: scatter.owner, summary, tookMs: nowMs() - scatter.createdMs });
  }
}
