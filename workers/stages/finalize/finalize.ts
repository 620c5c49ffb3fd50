/**
 * finalize: puts outputs in place, writes the cache and ends the task; equal tasks that waited go
 * on.
 */
import { dueAfter } from '../../../core/stall.ts';
import { failureOf, type Failure } from '../../../core/retry/failures.ts';
import { decideFinish } from '../../../core/result/decide-finish.ts';
import { missingOutputsFail } from '../../../core/result/outputs.ts';
import { fillTemplate } from '../../../core/task/template.ts';
import { readResults } from '../../../db/attempts.ts';
import { addHits } from '../../../db/call-cache.ts';
import { inTransaction } from '../../../db/client.ts';
import {
  addWarnings,
  failedTask,
  lockTasksAt,
  moveTasks,
  moveTasksEach,
  readTasksAt,
  type MoveDetails,
  type TaskRow,
} from '../../../db/tasks.ts';
import { taskNudges, type Messages, type Nudge } from '../../../queues/messages.ts';
import { countMoves } from '../../../telemetry/metrics.ts';
import { afterEnds, countFailures } from '../fail-attempts.ts';
import type { Runtime, StageOutcome } from '../../runtime.ts';
import { writeCache, type FinishedRun } from './write-cache.ts';
import { applyHits, hitModeOf, type FinalizedTask } from './hits.ts';

export async function finalize(
  runtime: Runtime,
  { tasks: ids }: Messages['finalize'],
): Promise<StageOutcome> {
  const { pool } = runtime.database;
  const rows = await readTasksAt(pool, 'finalize', ids);
  const templates = await runtime.templates.read(
    pool,
    rows.map(({ templateId }) => templateId),
  );
  const tasks = rows.flatMap((row): FinalizedTask[] => {
    const template = templates.get(row.templateId)?.template;
    return template ? [{ row, spec: fillTemplate(template, row.values) }] : [];
  });
  const [hits, runs] = [
    tasks.filter(({ row }) => row.hitEntryId !== null),
    tasks.filter(({ row }) => row.hitEntryId === null),
  ];
  const { good, lost } = await applyHits(runtime, hits);
  runtime.passCrashPoint('finalize.hits-applied');
  const judged = await judgeRuns(runtime, runs);
  await writeCache(runtime, judged.finished);
  runtime.passCrashPoint('finalize.cache-written');
  await addWarnings(
    pool,
    judged.finished.flatMap(({ row: { id }, warnings }) =>
      warnings.length > 0 ? [{ id, warnings }] : [],
    ),
  );
  return {
    do: 'done',
    next: await moveFinalized(runtime, {
      hits: good,
      finished: judged.finished.map(({ row }) => row),
      failed: judged.failed,
      lost,
    }),
  };
}

interface JudgedRuns {
  finished: FinishedRun[];
  failed: { row: TaskRow; failure: Failure }[];
}

async function judgeRuns(runtime: Runtime, runs: readonly FinalizedTask[]): Promise<JudgedRuns> {
  const results = await readResults(
    runtime.database.pool,
    runs.map(({ row }) => ({ taskId: row.id, number: row.attempt })),
  );
  const judged: JudgedRuns = { finished: [], failed: [] };
  for (const { row, spec } of runs) {
    const result = results.get(row.id);
    if (!result) {
      judged.failed.push({
        row,
        failure: failureOf('internal', `Attempt ${row.attempt} is at finalize without a result.`),
      });
      continue;
    }
    const decision = decideFinish({
      result,
      ignoreErrors: spec.executors.map(({ ignore_error }) => ignore_error === true),
      outputPaths: spec.outputs.map(({ path }) => path),
      missingOutputs: missingOutputsFail(spec) ? 'fail' : 'warn',
    });
    if (decision.do === 'finish')
      judged.finished.push({ row, spec, result, warnings: decision.warnings });
    else judged.failed.push({ row, failure: decision.failure });
  }
  return judged;
}

interface Finalized {
  hits: readonly TaskRow[];
  finished: readonly TaskRow[];
  failed: JudgedRuns['failed'];
  /** Hits whose entry cannot be used after all. */
  lost: readonly TaskRow[];
}

async function moveFinalized(
  runtime: Runtime,
  { hits, finished, failed, lost }: Finalized,
): Promise<Nudge[]> {
  const { pool } = runtime.database;
  const nowMs = runtime.nowMs();
  const end = { nowMs, dueMs: null };
  const runs = await endRuns(runtime, { finished, failed }, end);
  const moved = {
    finish: runs.finish + (await endHits(runtime, hits, end)),
    fail: runs.fail,
    'hit-lost': await moveTasksEach(
      pool,
      'hit-lost',
      lost.map(({ id }) => ({ id, set: { hitEntryId: null } })),
      { nowMs, dueMs: dueAfter(nowMs, runtime.config.stallMs) },
    ),
  };
  countMoves(runtime.metrics, 'finalize', moved);
  runtime.passCrashPoint('finalize.ended');
  runtime.metrics.tasksEnded.inc({ place: 'done' }, moved.finish);
  for (const { createdMs } of [...hits, ...finished])
    runtime.metrics.taskSeconds.observe({ place: 'done' }, (nowMs - createdMs) / 1000);
  countFailures(
    runtime,
    failed.map(({ failure }) => failure),
  );

  const ended = [...hits, ...finished, ...failed.map(({ row }) => row)].map(({ id }) => id);
  return [
    ...taskNudges(
      'stage-script',
      lost.map(({ id }) => id),
      runtime.config.chunkSize,
    ),
    ...(await afterEnds(runtime, ended)),
  ];
}

async function endRuns(
  runtime: Runtime,
  { finished, failed }: Pick<Finalized, 'finished' | 'failed'>,
  end: MoveDetails,
): Promise<{ finish: number; fail: number }> {
  if (finished.length + failed.length === 0) return { finish: 0, fail: 0 };
  return inTransaction(runtime.database, async (session) => ({
    finish: await moveTasks(
      session,
      'finish',
      finished.map(({ id }) => id),
      end,
    ),
    fail: await moveTasksEach(
      session,
      'fail',
      failed.map(({ row, failure }) => failedTask(row.id, failure)),
      end,
    ),
  }));
}

/** Two workers may have the same chunk; each task counts once as a hit of its entry. */
function endHits(runtime: Runtime, hits: readonly TaskRow[], end: MoveDetails): Promise<number> {
  if (hits.length === 0) return Promise.resolve(0);
  return inTransaction(runtime.database, async (session) => {
    const standing = await lockTasksAt(
      session,
      'finalize',
      hits.map(({ id }) => id),
    );
    const mine = hits.filter(({ id }) => standing.has(id));
    await addHits(
      session,
      mine.flatMap(({ hitEntryId }) => hitEntryId ?? []),
      end.nowMs,
    );
    let moved = 0;
    for (const [hitMode, group] of Map.groupBy(mine, (row) => hitModeOf(runtime, row)))
      moved += await moveTasks(
        session,
        'finish',
        group.map(({ id }) => id),
        end,
        { hitMode },
      );
    return moved;
  });
}
