/** The evidence that is needed before a task is failed because its stage throws for it. */
import type { Stage } from '../../core/places.ts';
import {
  afterFailed,
  afterHandled,
  healthy,
  mayFail,
  type StageHealth,
} from '../../core/isolation/health.ts';
import { describeError } from '../../core/isolation/whose-fault.ts';
import { ETAG_PROBE } from '../../core/files/s3-layout.ts';
import { pingDatabase } from '../../db/ping.ts';
import { pingRedis } from '../../queues/connect.ts';
import type { Runtime } from '../runtime.ts';

const healths = new WeakMap<Runtime, Map<Stage, StageHealth>>();

function healthsOf(runtime: Runtime): Map<Stage, StageHealth> {
  const known = healths.get(runtime) ?? new Map<Stage, StageHealth>();
  healths.set(runtime, known);
  return known;
}

/** The stage worked on rows, and did not throw. */
export const noteHandled = (runtime: Runtime, stage: Stage): void =>
  void healthsOf(runtime).set(stage, afterHandled());

export function noteFailed(runtime: Runtime, stage: Stage): void {
  const known = healthsOf(runtime);
  known.set(stage, afterFailed(known.get(stage) ?? healthy));
}

/**
 * True when database, Redis and work bucket answer now, and the stage does not throw for every task. A task that stays
 * is shown by the log and by the metric, and its rows are swept again.
 */
export async function isTaskAtFault(runtime: Runtime, stage: Stage): Promise<boolean> {
  const hold = (why: string): false => {
    runtime.metrics.isolated.inc({ stage, outcome: 'held' });
    runtime.log.error({ stage, why }, 'task-held');
    return false;
  };
  if (!mayFail(healthsOf(runtime).get(stage) ?? healthy))
    return hold('The stage throws for every task.');
  try {
    await pingDatabase(runtime.database.pool);
    await pingRedis(runtime.queues.redis);
    await runtime.objects.describe(runtime.workUrl(ETAG_PROBE));
    return true;
  } catch (error) {
    return hold(describeError(error));
  }
}
