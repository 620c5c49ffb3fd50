/** The lines about submissions and scatters in the log, at info. */
import { publicId } from '../../core/ids.ts';
import { describeError } from '../../core/isolation/whose-fault.ts';
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
  // Only a line of the log has it.
  const scatter = await readScatterOf(database.pool, submissionId).catch(() => undefined);
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

/**
 * A line for each scatter whose last task is among these, which have ended. Never throws, and does
 * not wait for the count of a wide one: what the ends set off comes first.
 */
export async function logScatterEnds(runtime: Runtime, taskIds: readonly number[]): Promise<void> {
  const nowMs = runtime.nowMs();
  const untold = (error: unknown): void =>
    runtime.log.debug({ error: describeError(error) }, 'scatter-end-not-told');
  try {
    const ended = await findEndedScatters(runtime.database.pool, taskIds, nowMs);
    for (const id of ended) void logScatter(runtime, id, nowMs).catch(untold);
  } catch (error) {
    untold(error);
  }
}

async function logScatter({ database, log }: Runtime, id: number, nowMs: number): Promise<void> {
  const scatter = await readScatter(database.pool, id);
  if (!scatter) return;
  const summary = viewScatter(scatter, await countScatter(database.pool, id));
  logScatterEnd(log, { owner: scatter.owner, summary, tookMs: nowMs - scatter.createdMs });
}
