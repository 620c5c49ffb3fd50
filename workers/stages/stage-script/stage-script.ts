/**
 * stage-script: writes the script that says everything a task does to S3, once per template, before
 * anything is submitted.
 */
import { dueAfter } from '../../../core/stall.ts';
import { sha256 } from '../../../core/ids.ts';
import { scriptKey } from '../../../core/files/s3-layout.ts';
import { renderScript } from '../../../core/container/script.ts';
import { moveTasksEach, readTasksAt, type MovedTask } from '../../../db/tasks.ts';
import { markTemplateStaged, templateMissing, type TemplateRow } from '../../../db/templates.ts';
import type { Messages, Nudge } from '../../../queues/messages.ts';
import { countMoves } from '../../../telemetry/metrics.ts';
import type { Runtime, StageOutcome } from '../../runtime.ts';
import { shapeFor } from './shapes.ts';

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
  for (const template of templates.values()) await stageTemplate(runtime, template);

  const moved: MovedTask[] = [];
  for (const { id, owner, templateId, memoryGrowths, imageDigest } of rows) {
    const template = templates.get(templateId)?.template;
    if (!template) throw templateMissing(id, templateId);
    const wish = { owner, templateId, template, memoryGrowths, imageDigest };
    moved.push({ id, set: { shape: await shapeFor(runtime, wish) } });
  }
  const nowMs = runtime.nowMs();
  const count = await moveTasksEach(pool, 'staged', moved, {
    nowMs,
    dueMs: dueAfter(nowMs, runtime.config.stallMs),
  });
  countMoves(runtime.metrics, 'stage-script', { staged: count });

  const shapes = new Set(moved.map(({ set }) => String(set.shape)));
  return {
    do: 'done',
    handled: rows.length,
    next: [...shapes].map((shape): Nudge => ({ stage: 'submit', message: { shape } })),
  };
}

/** The object's name is the digest of its content, so writing it twice changes nothing. */
async function stageTemplate(runtime: Runtime, row: TemplateRow): Promise<void> {
  if (row.scriptSha256 !== null) return;
  const script = renderScript(row.template);
  const digest = sha256(script).toString('hex');
  await runtime.objects.put(runtime.workUrl(scriptKey(digest)), script);
  await markTemplateStaged(runtime.database.pool, row.id, digest);
  row.scriptSha256 = digest;
}
