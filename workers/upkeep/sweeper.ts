/**
 * The sweeper: sends a message again for every row that has not moved for too long. Messages, or
 * all of Redis, can be lost; the rows are enough to go on. Any number of sweepers can run: taking
 * rows postpones them.
 */
import type { Stage } from '../../core/places.ts';
import { dueAfter } from '../../core/stall.ts';
import { landFlights, readLostFlights } from '../../db/cache-flights.ts';
import { pruneDenials } from '../../db/cache-denials.ts';
import { pruneChanges } from '../../db/changes.ts';
import { pruneDeliveries } from '../../db/webhooks.ts';
import { pruneKeys } from '../../db/idempotency.ts';
import {
  takeDueSubmissions,
  takeDueTasks,
  type DueSubmission,
  type DueTask,
} from '../../db/sweep.ts';
import { pausedStages } from '../../queues/pauses.ts';
import { taskNudges, type Nudge } from '../../queues/messages.ts';
import type { Runtime } from '../runtime.ts';
import { endAbandonedUploads } from './abandoned-uploads.ts';
import { startLoop, type Loop } from './loop.ts';

const ROWS_PER_SWEEP = 5000;
/** A source that no hit has met for so long is not known to be denied any more. */
const KEEP_DENIALS_MS = 24 * 3_600_000;
/** Long enough to see why a webhook was not notified, and to have it notified again. */
const KEEP_DELIVERIES_MS = 7 * 24 * 3_600_000;

export function startSweeper(runtime: Runtime): Loop {
  let flightsDueMs = 0;
  return startLoop(runtime, { name: 'sweeper', pauseMs: runtime.config.sweepMs }, async () => {
    const flights = runtime.nowMs() >= flightsDueMs;
    if (flights) flightsDueMs = runtime.nowMs() + runtime.config.stallMs;
    // After the loss of all of Redis there is more than one sweep takes.
    return (await sweep(runtime, { flights })) >= ROWS_PER_SWEEP ? 'again' : 'pause';
  });
}

/**
 * One sweep. Returns how many rows were nudged. Lost flights are looked for rarely: that reads all
 * flights, of which there is one for each running task (25 ms for 10,000).
 */
export async function sweep(runtime: Runtime, { flights } = { flights: true }): Promise<number> {
  const nowMs = runtime.nowMs();
  const limits = { nowMs, dueMs: dueAfter(nowMs, runtime.config.stallMs), most: ROWS_PER_SWEEP };
  const tasks = await takeDueTasks(runtime.database, limits);
  const submissions = await takeDueSubmissions(runtime.database, limits);
  const landed = flights
    ? await landFlights(
        runtime.database.pool,
        await readLostFlights(runtime.database.pool, ROWS_PER_SWEEP),
      )
    : [];
  const nudges = [
    ...nudgesForTasks(tasks, runtime.config.chunkSize),
    ...nudgesForSubmissions(submissions),
    ...taskNudges('cache-check', landed, runtime.config.chunkSize),
  ];
  // The messages of a paused stage are still in its queue, and would only become more.
  const paused = nudges.length > 0 ? await pausedStages(runtime.queues) : new Set<Stage>();
  await runtime.queues.nudge(nudges.filter(({ stage }) => !paused.has(stage)));
  // Later than the messages: what cannot be pruned does not delay them.
  if (flights) await forgetOld(runtime);
  for (const { place } of tasks) runtime.metrics.swept.inc({ what: place });
  runtime.metrics.swept.inc({ what: 'submission' }, submissions.length);
  const count = tasks.length + submissions.length + landed.length;
  if (count > 0)
    runtime.log.info(
      {
        tasks: tasks.length,
        submissions: submissions.length,
        // Due as soon as the answer to SubmitJob can no longer come, without a stall time.
        doubts: submissions.filter(({ state }) => state === 'calling').length,
        flights: landed.length,
      },
      'swept',
    );
  return count;
}

async function forgetOld(runtime: Runtime): Promise<void> {
  const { database, config, nowMs } = runtime;
  const { pool } = database;
  const most = ROWS_PER_SWEEP;
  const steps: Record<string, () => Promise<unknown>> = {
    uploads: () => endAbandonedUploads(runtime),
    denials: () => pruneDenials(pool, { beforeMs: nowMs() - KEEP_DENIALS_MS, most }),
    keys: () => pruneKeys(pool, { beforeMs: nowMs() - config.idempotencyMs, most }),
    changes: () => pruneChanges(pool, { keepMs: config.keepChangesMs, most }),
    deliveries: () => pruneDeliveries(pool, { beforeMs: nowMs() - KEEP_DELIVERIES_MS, most }),
  };
  for (const [what, step] of Object.entries(steps))
    await step().catch((error: unknown) => runtime.log.error({ what, err: error }, 'not-pruned'));
}

function nudgesForTasks(tasks: readonly DueTask[], chunkSize: number): Nudge[] {
  const at = (stage: 'cache-check' | 'stage-script' | 'finalize') =>
    taskNudges(
      stage,
      tasks.filter(({ place }) => place === stage).map(({ id }) => id),
      chunkSize,
    );
  const shapes = new Set(
    tasks.flatMap(({ place, shape }) => (place === 'submit' && shape !== null ? [shape] : [])),
  );
  return [
    ...at('cache-check'),
    ...at('stage-script'),
    ...at('finalize'),
    ...[...shapes].map((shape): Nudge => ({ stage: 'submit', message: { shape } })),
  ];
}

function nudgesForSubmissions(submissions: readonly DueSubmission[]): Nudge[] {
  const queues = new Set(
    submissions.flatMap(({ state, queue }) => (state === 'running' ? [queue] : [])),
  );
  const waiting = submissions.flatMap(({ state, id }): Nudge[] =>
    state === 'running' ? [] : [{ stage: 'submit', message: { submissions: [id] } }],
  );
  return [
    ...waiting,
    ...[...queues].map((queue): Nudge => ({ stage: 'poll', message: { queue } })),
  ];
}
