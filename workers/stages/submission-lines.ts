/** The lines about submissions and scatters in the log, at info. */
import { publicId } from '../../core/ids.ts';
import { viewScatter } from '../../core/scatter/scatter-view.ts';
import { spellStats, type SubmissionStats } from '../../core/submission/submission-stats.ts';
import { findEndedScatters, readScatterOf } from '../../db/scatter-ends.ts';
import { countScatter, readScatter } from '../../db/scatter-views.ts';
import type { SubmissionRow } from '../../db/submissions.ts';
import { logScatterEnd } from '../../telemetry/scatter-lines.ts';
import type { Runtime } from '../runtime.ts';

/** Of its first task: attempts of several scatters may share a submission. */
export async function scatterField(
  { database }: Runtime,
  submissionId: number,
): Promise<{ scatter?: string }> {
  const scatter = await readScatterOf(database.pool, submissionId);
  return scatter ? { scatter: publicId('scatter', scatter) } : {};
}

export async function logSubmissionEnd(
  runtime: Runtime,
  submission: SubmissionRow,
  stats: SubmissionStats,
): Promise<void> {
  const { submissionKey, jobId, owner, queue, size, submittedMs, id } = submission;
  runtime.log.info(
    {
      submission: submissionKey,
      job: jobId,
      owner,
      queue,
      tasks: size,
      ...spellStats(stats),
      ...(submittedMs !== null && { tookMs: runtime.nowMs() - submittedMs }),
      ...(await scatterField(runtime, id)),
    },
    'submission-ended',
  );
}

/** A line for each scatter whose last task is among these, which have ended. */
export async function logScatterEnds(runtime: Runtime, taskIds: readonly number[]): Promise<void> {
  const { pool } = runtime.database;
  const nowMs = runtime.nowMs();
  for (const id of await findEndedScatters(pool, taskIds, nowMs)) {
    const scatter = await readScatter(pool, id);
    if (!scatter) continue;
    const summary = viewScatter(scatter, await countScatter(pool, id));
    const tookMs = nowMs - scatter.createdMs;
    logScatterEnd(runtime.log, { owner: scatter.owner, summary, tookMs });
  }
}
