/**
 * finalize: puts outputs in place, writes the cache and ends the task; equal tasks that waited go
 * on.
 */
import { dueAfter } from '../../../core/stall.ts';
import { fingerprintOf } from '../../../core/cache/fingerprint.ts';
import { failureOf, type Failure } from '../../../core/retry/failures.ts';
import { decideFinish } from '../../../core/result/decide-finish.ts';
import { missingOutputsFail, outputUrl } from '../../../core/result/outputs.ts';
import { profiles } from '../../../core/profiles/profiles.ts';
import type { ResultRecord } from '../../../core/result/result.ts';
import { writesCache } from '../../../core/task/task.ts';
import { fillTemplate } from '../../../core/task/template.ts';
import { resolveComponents } from '../../../aws/fingerprints.ts';
import { readResults } from '../../../db/attempts.ts';
import { addHits, saveEntries, type NewEntry } from '../../../db/call-cache.ts';
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

interface FinishedRun extends FinalizedTask {
  result: ResultRecord;
  warnings: readonly string[];
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

/**
 * By S3's own clock: an input that was written again since the check is newer than the newest then.
 */
const readWhatWasChecked = ({ row, result }: FinishedRun): boolean =>
  (result.inputsModifiedMs ?? 0) === (row.inputsModifiedMs ?? 0);

async function writeCache(runtime: Runtime, finished: readonly FinishedRun[]): Promise<void> {
  const worth = finished.filter(
    ({ row, spec, result }) =>
      writesCache(row.cache) &&
      row.fingerprint !== null &&
      result.outputs.length > 0 &&
      (profiles[row.profile].mayCache?.(spec, result) ?? true),
  );
  const doubtful = worth.filter((run) => !readWhatWasChecked(run));
  const changed = await findChanged(runtime, doubtful);
  const entries = worth.flatMap((run): NewEntry[] => {
    const { row } = run;
    const outputs = outputsToKeep(run);
    if (row.fingerprint === null || changed.has(run) || outputs.length === 0) return [];
    return [{ domain: row.cacheDomain, fingerprint: row.fingerprint, taskId: row.id, outputs }];
  });
  await saveEntries(runtime.database, entries, runtime.nowMs());
}

/**
 * An output at the URL of an input belongs to this run alone, so it is not kept. A client's script
 * stays unchanged. Anything else may have been changed in place, which a copy does not repeat: of
 * such a run nothing is kept.
 */
function outputsToKeep({ row, spec, result }: FinishedRun): NewEntry['outputs'] {
  const inputUrls = new Set(spec.inputs.map(({ url }) => url));
  const texts = new Set(
    (profiles[row.profile].textsWanted?.(spec) ?? []).map((position) => spec.inputs[position]?.url),
  );
  const files = result.outputs.map((file) => ({ ...file, url: outputUrl(spec, file) }));
  if (files.some(({ url }) => inputUrls.has(url) && !texts.has(url))) return [];
  return files.filter(({ url }) => !inputUrls.has(url));
}

/** Runs whose inputs changed after the fingerprint: it is not known which content they read. */
async function findChanged(
  runtime: Runtime,
  doubtful: readonly FinishedRun[],
): Promise<Set<FinishedRun>> {
  if (doubtful.length === 0) return new Set();
  const described = await resolveComponents(
    runtime.objects,
    doubtful.map(({ row: { profile }, spec }) => ({ spec, profile })),
  );
  const changed = doubtful.filter(({ row }, position) => {
    const components = described[position]?.components;
    return !components || !row.fingerprint?.equals(fingerprintOf(components));
  });
  return new Set(changed);
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
