/** A hit as it comes to finalize, and what becomes of it. */
import { jobRoleOf } from '../../../../core/cache/setting.ts';
import { decideCopyRetry, type HitRefusal } from '../../../../core/cache/copy-trouble.ts';
import type { HitMode } from '../../../../core/cache/hit-mode.ts';
import type { Failure } from '../../../../core/retry/failures.ts';
import type { TaskSpec } from '../../../../core/task/task.ts';
import type { CacheOutput } from '../../../../db/call-cache.ts';
import type { TaskRow } from '../../../../db/tasks.ts';
import type { Runtime } from '../../../runtime.ts';

export interface FinalizedTask {
  row: TaskRow;
  spec: TaskSpec;
}

export interface Hit extends FinalizedTask {
  entryId: number;
  /** Of the entry. */
  outputs: readonly CacheOutput[];
  /** Aborted when the task is cancelled. */
  leaving: AbortController;
}

export type AppliedHit =
  /** Its outputs are in place. */
  | { do: 'finish'; mode: HitMode; warnings: string[] }
  /** Its entry is invalid now: the next entry, or a flight. */
  | { do: 'look-again' }
  /** The entry stays valid, but not for this task. */
  | { do: 'avoid-entry'; refusal: HitRefusal; warning: string }
  /** The note is shown on the task; it is the same at each wait. */
  | { do: 'wait'; waitMs: number; note: string }
  | { do: 'fail'; failure: Failure }
  | { do: 'cancelled' };

/** What decides who may read a source. */
export const roleOf = (runtime: Runtime, { spec }: FinalizedTask): string =>
  jobRoleOf(spec, runtime.config);

/** A retry can help. The hit stays where it is until its budget is used up. */
export function waitOrRun(runtime: Runtime, { row }: FinalizedTask, message: string): AppliedHit {
  const { cacheCopyWaitMs: budgetMs } = runtime.config;
  const decision = decideCopyRetry({ waitedMs: runtime.nowMs() - row.movedMs, budgetMs });
  runtime.log.warn({ taskId: row.id, message, ...decision }, 'cache-hit-not-copied');
  const waited = `${Math.round(budgetMs / 1000)} s`;
  if (decision.do === 'wait') {
    const note = `S3 failed to copy the outputs of an equal task. The hit retries for up to ${waited}.`;
    return { ...decision, note };
  }
  return {
    do: 'avoid-entry',
    refusal: 'copies-failed',
    warning: `The outputs of an equal task were not used: for ${waited} they could not be copied. ${message}`,
  };
}
