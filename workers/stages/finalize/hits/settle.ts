/** Moves hits whose fate is known: to their end, back to cache-check, or not yet. */
import type { CacheReason, Why } from '../../../../core/cache/reasons.ts';
import { sumHits, type Saved } from '../../../../core/cache/savings.ts';
import { rowOfWhy } from '../../../../core/cache/why.ts';
import { boundWarnings } from '../../../../core/result/stored-record.ts';
import type { HitMode } from '../../../../core/cache/hit-mode.ts';
import type { Failure } from '../../../../core/retry/failures.ts';
import { dueAfter } from '../../../../core/stall.ts';
import { addSavings } from '../../../../db/cache-savings.ts';
import { addHits } from '../../../../db/call-cache.ts';
import { inTransaction, type Transaction } from '../../../../db/client.ts';
import {
  addWarnings,
  failedTask,
  lockTasksAt,
  moveTasks,
  moveTasksEach,
  postponeTasks,
  type MovedTask,
  type TaskRow,
} from '../../../../db/tasks.ts';
import { taskNudges, type Nudge } from '../../../../queues/messages.ts';
import { countMoves } from '../../../../telemetry/metrics.ts';
import type { Runtime } from '../../../runtime.ts';
import { afterEnds, countFailures } from '../../fail-attempts.ts';
import { costsOfHits, countSavings } from '../savings.ts';
import type { SettledHit } from './apply-hits.ts';
import type { AppliedHit, FinalizedTask } from './hit.ts';

interface Settled {
  nudges: Nudge[];
  /** When the message is to be taken again; Infinity when no hit waits. */
  waitMs: number;
}

type As<D extends AppliedHit['do']> = FinalizedTask & {
  applied: Extract<AppliedHit, { do: D }>;
};

const those = <D extends AppliedHit['do']>(hits: readonly SettledHit[], what: D): As<D>[] =>
  hits.filter((hit): hit is SettledHit & As<D> => hit.applied.do === what);

const idsOf = (hits: readonly FinalizedTask[]): number[] => hits.map(({ row }) => row.id);

export async function settleHits(runtime: Runtime, hits: readonly SettledHit[]): Promise<Settled> {
  const [finished, failed, waiting] = [
    those(hits, 'finish'),
    those(hits, 'fail'),
    those(hits, 'wait'),
  ];
  const [lost, avoided] = [those(hits, 'look-again'), those(hits, 'avoid-entry')];
  await addWarnings(runtime.database.pool, [
    ...finished.map(({ row: { id }, applied: { warnings } }) => ({
      id,
      warnings: boundWarnings(warnings),
    })),
    ...waiting.map(({ row: { id }, applied: { note } }) => ({ id, warnings: [note] })),
    ...avoided.map(({ row: { id }, applied: { warning } }) => ({ id, warnings: [warning] })),
  ]);
  const moved = {
    ...(await endHits(runtime, { finished, failed })),
    'hit-lost': await sendBack(runtime, { lost, avoided }),
  };
  countMoves(runtime.metrics, 'finalize', moved);
  runtime.passCrashPoint('finalize.ended');
  countEnds(runtime, { finished, failed }, moved.finish);
  const waitMs = await putOff(runtime, waiting);
  const ended = idsOf([...finished, ...failed]);
  return {
    nudges: [
      ...taskNudges('cache-check', idsOf([...lost, ...avoided]), runtime.config.chunkSize),
      ...(ended.length > 0 ? await afterEnds(runtime, ended) : []),
    ],
    waitMs,
  };
}

interface Ended {
  finished: readonly As<'finish'>[];
  failed: readonly As<'fail'>[];
}

/** Two workers may have the same chunk; each task counts once as a hit of its entry. */
async function endHits(
  runtime: Runtime,
  { finished, failed }: Ended,
): Promise<{ finish: number; fail: number }> {
  if (finished.length + failed.length === 0) return { finish: 0, fail: 0 };
  const nowMs = runtime.nowMs();
  const end = { nowMs, dueMs: null };
  const costs = await costsOfHits(
    runtime,
    finished.map(({ row }) => row),
    new Set(finished.flatMap(({ row, applied }) => (applied.mode === 'copy' ? [row.id] : []))),
  );
  let saved: Saved[] = [];
  const moved = await inTransaction(runtime.database, async (session) => {
    const standing = await lockTasksAt(session, 'finalize', idsOf([...finished, ...failed]));
    const mine = finished.filter(({ row }) => standing.has(row.id));
    await addHits(
      session,
      mine.flatMap(({ row }) => row.hitEntryId ?? []),
      nowMs,
    );
    const ended = {
      finish: await finishByMode(session, mine, nowMs),
      fail: await moveTasksEach(
        session,
        'fail',
        failed.map(({ row, applied }) => asFailed(row.id, applied.failure)),
        end,
      ),
    };
    saved = sumHits(mine.flatMap(({ row }) => costs.get(row.id) ?? []));
    await addSavings(session, saved, nowMs);
    return ended;
  });
  countSavings(runtime, saved);
  return moved;
}

/** It has no outputs: it is no hit. */
function asFailed(id: number, failure: Failure): MovedTask {
  const task = failedTask(id, failure);
  return { ...task, set: { ...task.set, hitEntryId: null } };
}

async function finishByMode(
  session: Transaction,
  finished: readonly As<'finish'>[],
  nowMs: number,
): Promise<number> {
  let moved = 0;
  const groups = Map.groupBy(finished, ({ applied }): HitMode => applied.mode);
  for (const [hitMode, group] of groups)
    moved += await moveTasks(session, 'finish', idsOf(group), { nowMs, dueMs: null }, { hitMode });
  return moved;
}

interface SentBack {
  lost: readonly As<'look-again'>[];
  avoided: readonly As<'avoid-entry'>[];
}

async function sendBack(runtime: Runtime, { lost, avoided }: SentBack): Promise<number> {
  const { pool } = runtime.database;
  const nowMs = runtime.nowMs();
  const details = { nowMs, dueMs: dueAfter(nowMs, runtime.config.stallMs) };
  const gone = lost.map(({ row }) => ({
    id: row.id,
    set: { hitEntryId: null, ...rowOfWhy(lostWhy('outputs-gone', row)) },
  }));
  const back = await moveTasksEach(pool, 'hit-lost', gone, details);
  const set = avoided.map(({ row, applied }) => ({
    id: row.id,
    set: {
      hitEntryId: null,
      avoidEntryId: row.hitEntryId,
      hitRefusal: applied.refusal,
      ...rowOfWhy(lostWhy(applied.refusal, row)),
    },
  }));
  return back + (await moveTasksEach(pool, 'hit-lost', set, details));
}

/** The source stays that of the hit. */
const lostWhy = (reason: CacheReason, { cacheSource }: TaskRow): Why => ({
  reason,
  ...(cacheSource !== null && { sourceId: cacheSource }),
});

/** The message comes again; the sweeper looks at them later than that. */
async function putOff(runtime: Runtime, waiting: readonly As<'wait'>[]): Promise<number> {
  const waitMs = waiting.reduce(
    (least, { applied }) => Math.min(least, applied.waitMs),
    Number.POSITIVE_INFINITY,
  );
  if (waiting.length > 0)
    await postponeTasks(
      runtime.database.pool,
      'finalize',
      idsOf(waiting),
      dueAfter(runtime.nowMs() + waitMs, runtime.config.stallMs),
    );
  return waitMs;
}

function countEnds(runtime: Runtime, { finished, failed }: Ended, moved: number): void {
  const nowMs = runtime.nowMs();
  runtime.metrics.tasksEnded.inc({ place: 'done' }, moved);
  for (const { row } of finished)
    runtime.metrics.taskSeconds.observe({ place: 'done' }, (nowMs - row.createdMs) / 1000);
  countFailures(
    runtime,
    failed.map(({ row: { owner }, applied }) => ({ owner, failure: applied.failure })),
  );
}
