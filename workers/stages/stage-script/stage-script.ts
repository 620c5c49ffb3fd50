/**
 * stage-script: writes the script that says everything a task does to S3, once per template, before
 * anything is submitted.
 */
import { denialOf } from '../../../aws/answers.ts';
import { dueAfter } from '../../../core/stall.ts';
import { sha256 } from '../../../core/ids.ts';
import { scriptKey } from '../../../core/files/s3-layout.ts';
import { renderScript } from '../../../core/container/script.ts';
import {
  failedTask,
  moveTasksEach,
  readTasksAt,
  type MovedTask,
  type TaskRow,
} from '../../../db/tasks.ts';
import { inTransaction } from '../../../db/client.ts';
import { markTemplateStaged, templateMissing, type TemplateRow } from '../../../db/templates.ts';
import type { Messages, Nudge } from '../../../queues/messages.ts';
import { countMoves } from '../../../telemetry/metrics.ts';
import type { Runtime, StageOutcome } from '../../runtime.ts';
import { afterEnds, countFailures } from '../fail-attempts.ts';
import { blockTasks, type DeniedTemplate } from './blocked.ts';
import { shapesOfStaged, volumeFailure } from './shapes.ts';

export async function stageScript(
  runtime: Runtime,
  { tasks: ids }: Messages['stage-script'],
): Promise<StageOutcome> {
  const { pool } = runtime.database;
  const rows = await readTasksAt(pool, 'stage-script', ids);
  const templates = await runtime.templates.read(
    pool,
    rows.map(({ templateId }) => templateId),
  );
  const owners = new Map(rows.map(({ templateId, owner }) => [templateId, owner]));
  const denied: DeniedTemplate[] = [];
  for (const template of templates.values()) {
    const one = await stageTemplate(runtime, template, owners.get(template.id) ?? '');
    if (one) denied.push(one);
  }
  const blocked = await blockTasks(runtime, denied, rows);

  const lost = rows.find(({ templateId }) => !templates.has(templateId));
  if (lost) throw templateMissing(lost.id, lost.templateId);
  // Without those whose script S3 denies.
  const shapes = await shapesOfStaged(
    runtime,
    templates,
    rows.map(({ id, owner, templateId, memoryGrowths, hostLosses, imageDigest }) => ({
      id,
      owner,
      templateId,
      memoryGrowths,
      hostLosses,
      imageDigest,
    })),
  );
  const moved = [...shapes].map(([id, shape]): MovedTask => ({ id, set: { shape } }));
  const nowMs = runtime.nowMs();
  const count = await moveTasksEach(pool, 'staged', moved, {
    nowMs,
    dueMs: dueAfter(nowMs, runtime.config.stallMs),
  });
  const failed = await failWithoutVolumes(runtime, templates, rows);
  countMoves(runtime.metrics, 'stage-script', { staged: count, fail: failed.count });

  const next = [
    ...failed.next,
    ...[...new Set(shapes.values())].map((shape): Nudge => ({
      stage: 'submit',
      message: { shape },
    })),
    ...blocked.next,
  ];
  return blocked.waitMs === undefined
    ? { do: 'done', handled: rows.length, next }
    : { do: 'wait', waitMs: blocked.waitMs, handled: rows.length, next };
}

/** Settings may have changed since the tasks were accepted. */
async function failWithoutVolumes(
  runtime: Runtime,
  templates: ReadonlyMap<number, TemplateRow>,
  rows: readonly TaskRow[],
): Promise<{ count: number; next: Nudge[] }> {
  const failed = rows.flatMap(({ id, owner, templateId }) => {
    const template = templates.get(templateId)?.template;
    const failure = template && volumeFailure(runtime, { template, owner });
    return failure ? [{ id, owner, failure }] : [];
  });
  if (failed.length === 0) return { count: 0, next: [] };
  const count = await inTransaction(runtime.database, (session) =>
    moveTasksEach(
      session,
      'fail',
      failed.map(({ id, failure }) => failedTask(id, failure)),
      { nowMs: runtime.nowMs(), dueMs: null },
    ),
  );
  countFailures(runtime, failed);
  const ids = failed.map(({ id }) => id);
  return { count, next: await afterEnds(runtime, ids) };
}

/** The object's name is the digest of its content, so writing it twice changes nothing. */
async function stageTemplate(
  runtime: Runtime,
  row: TemplateRow,
  owner: string,
): Promise<DeniedTemplate | undefined> {
  if (row.scriptSha256 !== null) return undefined;
  const script = renderScript(row.template);
  const digest = sha256(script).toString('hex');
  const key = scriptKey({ installation: runtime.installation, owner }, digest);
  try {
    await runtime.objects.put(runtime.workUrl(key), script);
  } catch (error) {
    const denial = denialOf(error);
    if (denial === undefined) throw error;
    return { row, denial };
  }
  await markTemplateStaged(runtime.database.pool, row.id, digest);
  row.scriptSha256 = digest;
  return undefined;
}
