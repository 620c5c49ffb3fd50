/**
 * finalize: puts outputs in place, writes the cache and ends the task; equal tasks that waited go
 * on.
 */
import { append } from '../../../core/append.ts';
import type { UnkeptReason } from '../../../core/cache/reasons.ts';
import { failureOf, type Failure } from '../../../core/retry/failures.ts';
import { decideFinish } from '../../../core/result/decide-finish.ts';
import type { ResultRecord } from '../../../core/result/result.ts';
import { boundWarnings } from '../../../core/result/stored-record.ts';
import { missingOutputsFail } from '../../../core/result/outputs.ts';
import { fillTemplate } from '../../../core/task/template.ts';
import { readResults } from '../../../db/attempts.ts';
import { inTransaction } from '../../../db/client.ts';
import {
  addWarnings,
  failedTask,
  moveTasksEach,
  readTasksAt,
  type TaskRow,
} from '../../../db/tasks.ts';
import { templateMissing } from '../../../db/templates.ts';
import type { Messages, Nudge } from '../../../queues/messages.ts';
import { countMoves } from '../../../telemetry/metrics.ts';
import { afterEnds, countFailures } from '../fail-attempts.ts';
import type { Runtime, StageOutcome } from '../../runtime.ts';
import { writeCache, type FinishedRun } from './write-cache.ts';
import { applyHits } from './hits/apply-hits.ts';
import type { FinalizedTask } from './hits/hit.ts';
import { settleHits } from './hits/settle.ts';
import { nameLostFiles } from './lost-files.ts';
import { readWholeRecord } from './whole-record.ts';

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
  const tasks = rows.map((row): FinalizedTask => {
    const template = templates.get(row.templateId)?.template;
    if (!template) throw templateMissing(row.id, row.templateId);
    return { row, spec: fillTemplate(template, row.values) };
  });
  const handled = tasks.length;
  const [hits, runs] = [
    tasks.filter(({ row }) => row.hitEntryId !== null),
    tasks.filter(({ row }) => row.hitEntryId === null),
  ];
  const next = await finishRuns(runtime, runs);
  runtime.passCrashPoint('finalize.hits-applied');
  if (hits.length === 0) return { do: 'done', next, handled };

  // The copies of one hit may take long: what comes next does not wait for them.
  await runtime.queues.nudge(next);
  let waitMs = Number.POSITIVE_INFINITY;
  await applyHits(runtime, hits, async (settled) => {
    const { nudges, waitMs: ownMs } = await settleHits(runtime, settled);
    await runtime.queues.nudge(nudges);
    waitMs = Math.min(waitMs, ownMs);
  });
  return Number.isFinite(waitMs) ? { do: 'wait', waitMs, handled } : { do: 'done', handled };
}

/** A run whose record is not whole in its row is finished by itself: a record of 100,000 files takes 100 MB. */
async function finishRuns(runtime: Runtime, runs: readonly FinalizedTask[]): Promise<Nudge[]> {
  const results = await readResults(
    runtime.database.pool,
    runs.map(({ row }) => ({ taskId: row.id, number: row.attempt })),
  );
  const [short, long]: [FinalizedTask[], FinalizedTask[]] = [[], []];
  for (const run of runs) (results.get(run.row.id)?.whole ? long : short).push(run);
  const next = await finishSome(runtime, short, results);
  for (const run of long) {
    const stored = results.get(run.row.id);
    const whole = stored && (await readWholeRecord(runtime, stored));
    append(next, await finishSome(runtime, [run], new Map(whole && [[run.row.id, whole]])));
  }
  return next;
}

async function finishSome(
  runtime: Runtime,
  runs: readonly FinalizedTask[],
  results: Results,
): Promise<Nudge[]> {
  const judged = judgeRuns(runs, results);
  const unkept = await writeCache(runtime, judged.finished);
  runtime.passCrashPoint('finalize.cache-written');
  const named = await nameLostFiles(runtime, judged.finished);
  await addWarnings(
    runtime.database.pool,
    [...named, ...judged.failed].map(({ row: { id }, warnings }) => ({
      id,
      warnings: boundWarnings(warnings),
    })),
  );
  return endRuns(runtime, judged, unkept);
}

/** By task; a failure where the record is gone. */
type Results = ReadonlyMap<number, ResultRecord | { failure: Failure }>;

interface JudgedRuns {
  finished: FinishedRun[];
  failed: { row: TaskRow; failure: Failure; warnings: string[] }[];
}

function judgeRuns(runs: readonly FinalizedTask[], results: Results): JudgedRuns {
  const judged: JudgedRuns = { finished: [], failed: [] };
  for (const { row, spec } of runs) {
    const result = results.get(row.id);
    if (!result || 'failure' in result) {
      const failure =
        result?.failure ??
        failureOf('internal', `Attempt ${row.attempt} is at finalize without a result.`);
      judged.failed.push({ row, failure, warnings: [] });
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
    else judged.failed.push({ row, failure: decision.failure, warnings: decision.warnings });
  }
  return judged;
}

async function endRuns(
  runtime: Runtime,
  { finished, failed }: JudgedRuns,
  unkept: ReadonlyMap<number, UnkeptReason>,
): Promise<Nudge[]> {
  if (finished.length + failed.length === 0) return [];
  const nowMs = runtime.nowMs();
  const end = { nowMs, dueMs: null };
  const moved = await inTransaction(runtime.database, async (session) => ({
    finish: await moveTasksEach(
      session,
      'finish',
      finished.map(({ row }) => ({ id: row.id, set: { cacheUnkept: unkept.get(row.id) ?? null } })),
      end,
    ),
    fail: await moveTasksEach(
      session,
      'fail',
      failed.map(({ row, failure }) => failedTask(row.id, failure)),
      end,
    ),
  }));
  countMoves(runtime.metrics, 'finalize', moved);
  runtime.passCrashPoint('finalize.ended');
  runtime.metrics.tasksEnded.inc({ place: 'done' }, moved.finish);
  for (const { row } of finished) {
    runtime.metrics.taskSpanSeconds.observe({ span: 'seen-done' }, (nowMs - row.movedMs) / 1000);
    runtime.metrics.taskSeconds.observe({ place: 'done' }, (nowMs - row.createdMs) / 1000);
  }
  countFailures(
    runtime,
    failed.map(({ row: { owner }, failure }) => ({ owner, failure })),
  );
  return afterEnds(
    runtime,
    [...finished, ...failed].map(({ row }) => row.id),
  );
}
