/**
 * Tasks whose script S3 does not let the workers write: no task is at fault, so they wait until an
 * operator has corrected it, and fail only after `deniedWaitMs`.
 */
import { append } from '../../../core/append.ts';
import type { Denial } from '../../../aws/answers.ts';
import { failureOf } from '../../../core/retry/failures.ts';
import { dueAfter } from '../../../core/stall.ts';
import { decideBlocked } from '../../../core/submission/decide-submit.ts';
import { blockedSentence } from '../../../core/submission/waiting-reason.ts';
import { inTransaction } from '../../../db/client.ts';
import { failedTask, moveTasksEach, postponeTasks, readOwners } from '../../../db/tasks.ts';
import { blockTemplate, type TemplateRow } from '../../../db/templates.ts';
import type { Nudge } from '../../../queues/messages.ts';
import { countMoves } from '../../../telemetry/metrics.ts';
import type { Runtime } from '../../runtime.ts';
import { tellBlockedTemplate } from '../tell-waiting.ts';
import { afterEnds, countFailures } from '../fail-attempts.ts';
import { countS3Denial } from '../submit/blocked.ts';

export interface DeniedTemplate {
  row: TemplateRow;
  denial: Denial;
}

interface WaitingTask {
  id: number;
  templateId: number;
  /** When it came to the stage. */
  movedMs: number;
}

interface BlockedTasks {
  next: Nudge[];
  /** Until the next try; undefined when nothing waits. */
  waitMs?: number;
}

export async function blockTasks(
  runtime: Runtime,
  denied: readonly DeniedTemplate[],
  tasks: readonly WaitingTask[],
): Promise<BlockedTasks> {
  const blocked: BlockedTasks = { next: [] };
  for (const { row, denial } of denied) {
    countS3Denial(runtime, denial);
    const ids: { waiting: number[]; failed: number[] } = { waiting: [], failed: [] };
    let leastMs = Number.POSITIVE_INFINITY;
    for (const { id, templateId, movedMs } of tasks) {
      if (templateId !== row.id) continue;
      const waitedMs = Math.max(0, runtime.nowMs() - movedMs);
      const decision = decideBlocked(
        'denied',
        { blockedForMs: waitedMs, message: denial.words },
        runtime.config,
      );
      if (decision.do === 'give-up') ids.failed.push(id);
      else {
        ids.waiting.push(id);
        leastMs = Math.min(leastMs, decision.waitMs);
      }
    }
    if (ids.failed.length > 0)
      append(blocked.next, await failTasks(runtime, ids.failed, denial.words));
    if (ids.waiting.length === 0) continue;
    await showBlocked(runtime, { row, denial }, { ids: ids.waiting, waitMs: leastMs });
    blocked.waitMs = Math.min(blocked.waitMs ?? leastMs, leastMs);
  }
  return blocked;
}

async function showBlocked(
  runtime: Runtime,
  { row, denial: { words } }: DeniedTemplate,
  { ids, waitMs }: { ids: number[]; waitMs: number },
): Promise<void> {
  const { pool } = runtime.database;
  runtime.log.warn({ tasks: ids.length, message: words, waitMs }, 'script-not-written');
  const nowMs = runtime.nowMs();
  await blockTemplate(pool, row.id, { reason: blockedSentence(words), nowMs });
  const dueMs = dueAfter(nowMs + waitMs, runtime.config.stallMs);
  await postponeTasks(pool, 'stage-script', ids, dueMs);
  await tellBlockedTemplate(runtime, row.id, ids);
}

async function failTasks(runtime: Runtime, ids: number[], words: string): Promise<Nudge[]> {
  const failure = failureOf('permission-missing', words);
  const details = { nowMs: runtime.nowMs(), dueMs: null };
  const failures = ids.map((id) => failedTask(id, failure));
  const failed = await inTransaction(runtime.database, (session) =>
    moveTasksEach(session, 'fail', failures, details),
  );
  countMoves(runtime.metrics, 'stage-script', { fail: failed });
  const owners = await readOwners(runtime.database.pool, ids);
  countFailures(
    runtime,
    ids.map((id) => ({ owner: owners.get(id) ?? '', failure })),
  );
  return afterEnds(runtime, ids);
}
