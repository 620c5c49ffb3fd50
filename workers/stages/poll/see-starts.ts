/** Which attempts run, for the state that callers see. It decides nothing else. */
import type { SeenJob } from '../../../aws/batch.ts';
import { concernsAll, describeError } from '../../../core/isolation/whose-fault.ts';
import { hasEnded, hasRun, unstartedOf } from '../../../core/submission/job-status.ts';
import { decideStartLook, type StartLook } from '../../../core/submission/start-looks.ts';
import {
  noteProgress,
  noteStarts,
  takeBackStarts,
  type StartedAttempt,
} from '../../../db/starts.ts';
import type { SubmissionRow } from '../../../db/submissions.ts';
import type { Runtime } from '../../runtime.ts';
import { noteLost, type Progress } from './queue-memory.ts';
import { readRunningChildren } from './read-jobs.ts';

interface Seen {
  submission: SubmissionRow;
  job: SeenJob;
  progress: Progress;
}

/** An error here must not delay the ends of tasks. */
async function tolerate(runtime: Runtime, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (concernsAll(error)) throw error;
    runtime.log.warn({ error: describeError(error) }, 'starts-not-noted');
  }
}

/** From the one look at the queue: how far each submission is, and which single jobs run. */
export const noteQueue = (runtime: Runtime, seen: readonly Seen[], nowMs: number): Promise<void> =>
  tolerate(runtime, async () => {
    const lasting = seen.filter(lasts);
    const changed = lasting.flatMap(({ submission: { id, size, unstarted, runningMs }, job }) => {
      const now = { id, unstarted: unstartedOf(size, job), hasRun: hasRun(job) };
      const isNew = now.unstarted !== unstarted || (now.hasRun && runningMs === null);
      return isNew ? [now] : [];
    });
    if (changed.length > 0) await noteProgress(runtime.database, changed, nowMs);
    await noteSingles(runtime, lasting, nowMs);
    for (const { job, progress } of seen) progress.wasRunning = job.status === 'RUNNING';
  });

/** A single job that runs for a moment is not worth two rows. */
const lasts = ({ submission: { size }, job, progress }: Seen): boolean =>
  !hasEnded(job) && (size > 1 || job.status !== 'RUNNING' || progress.wasRunning);

async function noteSingles(runtime: Runtime, seen: readonly Seen[], nowMs: number): Promise<void> {
  const started: StartedAttempt[] = [];
  for (const { submission, job, progress } of seen) {
    if (submission.size > 1) continue;
    if (job.status === 'RUNNING' && !progress.running.has(0)) {
      progress.running.add(0);
      started.push({ submissionId: submission.id, arrayIndex: 0, startedMs: nowMs });
    } else if (job.status !== 'RUNNING' && progress.running.delete(0))
      await takeBackStarts(runtime.database, submission.id, [0]);
  }
  await noteStarts(runtime.database, started);
}

/**
 * What an array's look is to do about starts.
 * @param seen whether the results were listed, and whether that found a start
 */
export function planStartLook(
  { submission: { size }, job, progress }: Seen,
  seen: { listed: boolean; found: boolean },
  nowMs: number,
): StartLook {
  if (size === 1 || hasEnded(job)) return 'none';
  const { look, looks } = decideStartLook(
    {
      size,
      running: job.counts?.RUNNING ?? 0,
      known: progress.running.size + progress.starts.size,
      ...seen,
    },
    progress.startLooks,
    nowMs,
  );
  progress.startLooks = looks;
  return look;
}

/** Writes the starts that listings found. A host's clock may be off, so a start is never in the future. */
export const writeStarts = (
  runtime: Runtime,
  { submission: { id, submittedMs }, progress }: Seen,
  nowMs: number,
): Promise<void> =>
  tolerate(runtime, async () => {
    const { starts, running } = progress;
    if (starts.size === 0) return;
    const found = [...starts];
    starts.clear();
    for (const [index] of found) running.add(index);
    await noteStarts(
      runtime.database,
      found.map(([arrayIndex, startedMs]) => ({
        submissionId: id,
        arrayIndex,
        startedMs: Math.min(nowMs, Math.max(submittedMs ?? 0, startedMs)),
      })),
    );
  });

/** What Batch says of the children, where S3 has no starts of them, or starts of lost hosts. */
export const askForChildren = (runtime: Runtime, seen: Seen, nowMs: number): Promise<void> =>
  tolerate(runtime, async () => {
    const { submission, job, progress } = seen;
    const children = await readRunningChildren(runtime, job.jobId);
    for (const [index, startedMs] of children)
      if (!progress.over.has(index) && !progress.running.has(index))
        progress.starts.set(index, startedMs ?? nowMs);
    const gone = [...progress.running].filter((index) => !children.has(index));
    noteLost(progress, gone);
    await takeBackStarts(runtime.database, submission.id, gone);
    await writeStarts(runtime, seen, nowMs);
  });
