/** Writes what poll decided: attempts end, tasks move, and the next stages are nudged. */
import { append } from '../../../core/append.ts';
import { dueAfter } from '../../../core/stall.ts';
import { queueChange } from '../../../core/container/job-definition.ts';
import { outcomeOf } from '../../../core/retry/attempt-outcomes.ts';
import {
  afterRetry,
  pauseAfterFault,
  type RetryDecision,
  type RetryReason,
  type RetryState,
} from '../../../core/retry/decide-retry.ts';
import type { Failure } from '../../../core/retry/failures.ts';
import type { SeenResult } from '../../../core/result/result.ts';
import {
  attemptKey,
  endAttempts,
  lockOpenAttempts,
  type EndedAttempt,
  type OpenAttempt,
} from '../../../db/attempts.ts';
import { inTransaction, type Transaction } from '../../../db/client.ts';
import {
  failedTask,
  moveTasks,
  moveTasksEach,
  readShapeOfTask,
  readTasksAt,
  type MoveDetails,
  type MovedTask,
} from '../../../db/tasks.ts';
import { taskNudges, type Nudge } from '../../../queues/messages.ts';
import { countMoves } from '../../../telemetry/metrics.ts';
import { afterEnds, countFailures } from '../fail-attempts.ts';
import type { Runtime } from '../../runtime.ts';
import { shapeFor, volumeFailure } from '../stage-script/shapes.ts';

export interface PolledAttempt {
  attempt: OpenAttempt;
  decision: RetryDecision;
  result: SeenResult | undefined;
}

/** A transaction holds its row locks while it is written; 1,000 rows take about 20 ms. */
export const ROWS_PER_TRANSACTION = 1000;

export async function applyPolled(
  runtime: Runtime,
  polled: readonly PolledAttempt[],
): Promise<Nudge[]> {
  const next: Nudge[] = [];
  for (let start = 0; start < polled.length; start += ROWS_PER_TRANSACTION)
    append(next, await applyPart(runtime, polled.slice(start, start + ROWS_PER_TRANSACTION)));
  return next;
}

async function applyPart(runtime: Runtime, polled: readonly PolledAttempt[]): Promise<Nudge[]> {
  const nowMs = runtime.nowMs();
  const decided = polled.filter(
    ({ decision }) => decision.do !== 'wait' && decision.do !== 'find-owner',
  );
  const { moved: retried, changes } = await againMoves(runtime, decided);
  const details = { nowMs, dueMs: dueAfter(nowMs, runtime.config.stallMs) };
  const { moves, moved } = await inTransaction(runtime.database, async (session) => {
    const ended = await lockStillOpen(session, decided);
    const moves = movesOf(ended, retried);
    const moved = await write(session, moves, details);
    // Submissions are locked after tasks, as a cancel does.
    await endAttempts(
      session,
      ended.map((one) => endedAttempt(one, changes.get(one.attempt.taskId))),
      nowMs,
    );
    return { moves, moved };
  });
  tellChanges(
    runtime,
    moves.again.flatMap(({ id }) => changes.get(id) ?? []),
  );
  countMoves(runtime.metrics, 'poll', moved);
  countFailures(runtime, moves.failures);
  return nudgeNext(runtime, moves);
}

/**
 * A move's guard knows places, not attempts: a late look at the last attempt must not move a task
 * that is at its next one.
 */
async function lockStillOpen(
  session: Transaction,
  decided: readonly PolledAttempt[],
): Promise<PolledAttempt[]> {
  const open = await lockOpenAttempts(
    session,
    decided.map(({ attempt }) => attempt.taskId),
  );
  return decided.filter(({ attempt }) => open.has(attemptKey(attempt)));
}

interface PollMoves {
  finalized: number[];
  again: MovedTask[];
  failures: { taskId: number; owner: string; failure: Failure }[];
}

function movesOf(ended: readonly PolledAttempt[], retried: readonly MovedTask[]): PollMoves {
  const endedIds = new Set(ended.map(({ attempt }) => attempt.taskId));
  return {
    finalized: ended.flatMap(({ attempt, decision }) =>
      decision.do === 'finalize' ? [attempt.taskId] : [],
    ),
    again: retried.filter(({ id }) => endedIds.has(id)),
    failures: ended.flatMap(({ attempt, decision }) =>
      decision.do === 'fail' && attempt.place === 'poll'
        ? [{ taskId: attempt.taskId, owner: attempt.owner, failure: decision.failure }]
        : [],
    ),
  };
}

const write = async (
  session: Transaction,
  { finalized, again, failures }: PollMoves,
  details: MoveDetails,
) => ({
  ended: await moveTasks(session, 'ended', finalized, details),
  again: await moveAgain(session, again, details),
  fail: await moveTasksEach(
    session,
    'fail',
    failures.map(({ taskId, failure }) => failedTask(taskId, failure)),
    { nowMs: details.nowMs, dueMs: null },
  ),
});

/** The sweeper must not look at tasks that still pause. */
async function moveAgain(
  session: Transaction,
  again: readonly MovedTask[],
  details: MoveDetails,
): Promise<number> {
  const { paused = [], ready = [] } = Object.groupBy(again, ({ set }) =>
    set.retryMs === null ? 'ready' : 'paused',
  );
  const latestMs = paused.reduce(
    (latest, { set }) => Math.max(latest, Number(set.retryMs) - details.nowMs),
    0,
  );
  const dueMs = details.dueMs === null ? null : details.dueMs + latestMs;
  return (
    (await moveTasksEach(session, 'again', ready, details)) +
    (await moveTasksEach(session, 'again', paused, { ...details, dueMs }))
  );
}

async function nudgeNext(
  runtime: Runtime,
  { finalized, again, failures }: PollMoves,
): Promise<Nudge[]> {
  const shapes = new Set(again.map(({ set }) => String(set.shape)));
  return [
    ...taskNudges('finalize', finalized, runtime.config.chunkSize),
    ...[...shapes].map((shape): Nudge => ({ stage: 'submit', message: { shape } })),
    ...(await afterEnds(
      runtime,
      failures.map(({ taskId }) => taskId),
    )),
  ];
}

interface QueueChange {
  from: string;
  to: string;
}

/** Once for each pair of queues: a lost host may have run hundreds of tasks. */
function tellChanges({ log, metrics }: Runtime, changes: readonly QueueChange[]): void {
  if (changes.length === 0) return;
  metrics.onDemandMoves.inc(changes.length);
  for (const alike of Map.groupBy(changes, ({ from, to }) => `${from} ${to}`).values())
    log.info({ ...alike[0], count: alike.length }, 'moved-to-on-demand');
}

const withChange = (reason: string, change: QueueChange | undefined): string =>
  change === undefined
    ? reason
    : `${reason}. The task goes on in the job queue ${change.to}, which has On-Demand hosts.`;

function endedAttempt(
  { attempt, decision, result }: PolledAttempt,
  change: QueueChange | undefined,
): EndedAttempt {
  const exitCode =
    decision.do === 'fail' ? decision.exitCode : result?.record?.executors.at(-1)?.exitCode;
  const outcome = outcomeOf(attempt.place, decision);
  return {
    taskId: attempt.taskId,
    number: attempt.number,
    submissionId: attempt.submissionId,
    outcome,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(decision.do === 'again' ? { reason: withChange(decision.reason, change) } : {}),
    // A job that Batchwell ended for its caller did not fail.
    ...(decision.do === 'fail' && outcome !== 'cancelled'
      ? { reason: decision.failure.sentence }
      : {}),
    ...(decision.do === 'finalize' ? { result: decision.result } : {}),
    ...(result ? { batchAttempt: result.attempt } : {}),
  };
}

/** Null for what is retried at once. */
function retryAt(
  { nowMs, config }: Runtime,
  because: RetryReason,
  { hostFaults }: RetryState,
): number | null {
  if (because !== 'host-fault') return null;
  return nowMs() + pauseAfterFault(hostFaults, config.hostFaultPauseMs);
}

interface AgainMoves {
  moved: MovedTask[];
  /** By task. */
  changes: Map<number, QueueChange>;
}

/**
 * After a host loss the shape stays the same, but for a queue that the task leaves; after running
 * out of memory it has twice as much.
 */
async function againMoves(runtime: Runtime, ended: readonly PolledAttempt[]): Promise<AgainMoves> {
  const again = ended.flatMap(({ attempt, decision }) =>
    decision.do === 'again' && attempt.place === 'poll'
      ? [{ attempt, because: decision.because }]
      : [],
  );
  const changes = new Map<number, QueueChange>();
  if (again.length === 0) return { moved: [], changes };
  const { pool } = runtime.database;
  const rows = new Map(
    (
      await readTasksAt(
        pool,
        'poll',
        again.map(({ attempt }) => attempt.taskId),
      )
    ).map((row) => [row.id, row]),
  );
  const templates = await runtime.templates.read(
    pool,
    [...rows.values()].map(({ templateId }) => templateId),
  );
  const moved: MovedTask[] = [];
  for (const { attempt, because } of again) {
    const row = rows.get(attempt.taskId);
    const template = row && templates.get(row.templateId)?.template;
    if (!row || !template) continue;
    const counts = afterRetry(row, because);
    const change =
      because === 'host-lost'
        ? queueChange(
            template.resources,
            { ...runtime.config, owner: row.owner },
            { before: row.hostLosses, after: counts.hostLosses },
          )
        : undefined;
    if (change) changes.set(row.id, change);
    // Without a volume that is no longer offered it would lose what it writes there: it keeps its shape, which has it.
    const kept = volumeFailure(runtime, { template, owner: row.owner })
      ? await readShapeOfTask(pool, row.id)
      : undefined;
    const shape =
      kept ??
      (await shapeFor(runtime, {
        owner: row.owner,
        templateId: row.templateId,
        template,
        memoryGrowths: counts.memoryGrowths,
        hostLosses: counts.hostLosses,
        imageDigest: row.imageDigest,
      }));
    moved.push({
      id: row.id,
      set: { submissionId: null, ...counts, shape, retryMs: retryAt(runtime, because, counts) },
    });
    runtime.metrics.retries.inc({ reason: because });
  }
  return { moved, changes };
}
