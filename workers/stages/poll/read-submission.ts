/** Reads what has ended in one submission, decides about each attempt, and applies it. */
import { append } from '../../../core/append.ts';
import type { SeenJob } from '../../../aws/batch.ts';
import type { SeenResult } from '../../../core/result/result.ts';
import type { SeenStart } from '../../../core/result/start-key.ts';
import type { EndedJob } from '../../../core/retry/batch-reasons.ts';
import { decideRetry, failUnfenced } from '../../../core/retry/decide-retry.ts';
import { installationArns } from '../../../core/retry/named-by-task.ts';
import { outcomeOf } from '../../../core/retry/attempt-outcomes.ts';
import { isOfForgotten } from '../../../core/submission/forgotten-job.ts';
import { countEnd } from '../../../core/submission/submission-stats.ts';
import { endedCount, hasEnded } from '../../../core/submission/job-status.ts';
import { nextListFrom } from '../../../core/submission/list-from.ts';
import { readOpenAttempts, readOpenAttemptsAt, type OpenAttempt } from '../../../db/attempts.ts';
import { adoptJob, type SubmissionRow } from '../../../db/submissions.ts';
import type { Nudge } from '../../../queues/messages.ts';
import type { Runtime } from '../../runtime.ts';
import { claimOwner } from '../submit/owner.ts';
import type { PolledAttempt } from './apply.ts';
import { writeAttempts } from './write-attempts.ts';
import { countEnds } from './count-ends.ts';
import { endCancelledJobs } from './end-cancelled.ts';
import { rewriteScripts } from '../stage-script/rewrite-scripts.ts';
import { noteStart, type Progress } from './queue-memory.ts';
import { readEndedChildren, readFailedChildren } from './read-jobs.ts';
import { readResultRecords } from './read-results.ts';

export interface SubmissionLook {
  job: SeenJob;
  progress: Progress;
  /** Called for each page of result records that was listed. */
  onPage(): void;
}

export async function readSubmission(
  runtime: Runtime,
  submission: SubmissionRow,
  look: SubmissionLook,
): Promise<Nudge[]> {
  const { job, progress } = look;
  if (submission.cancelMs !== null)
    await endCancelledJobs(runtime, {
      submission,
      job,
      attempts: await readOpenAttempts(runtime.database.pool, [submission.id]),
    });
  const lacking = endedCount(job) - (submission.size - submission.open);
  const isPart = progress.listFromMs > 0;
  const recorded = await applyRecords(runtime, submission, look);
  // Nothing has ended: the listing was for starts.
  if (lacking <= 0) return recorded.next;
  if (recorded.ended < lacking && isPart) {
    // A host's clock was behind, or its record came late.
    progress.listFromMs = 0;
    const others = await applyRecords(runtime, submission, look);
    recorded.ended += others.ended;
    append(recorded.next, others.next);
  }
  if (recorded.ended >= lacking) return recorded.next;
  const unrecorded = await judgeUnrecorded(runtime, submission, job);
  return [...recorded.next, ...(await apply(runtime, submission, { polled: unrecorded, look }))];
}

/**
 * All of 10,000 at once cost a worker 100 MB; a few new ones of a page are not worth a transaction.
 */
const RESULTS_PER_WRITE = 1000;

/**
 * Applies the attempts that have a record, from `progress.listFromMs` on, and moves that on. Returns how many of
 * them ended.
 */
async function applyRecords(
  runtime: Runtime,
  submission: SubmissionRow,
  look: SubmissionLook,
): Promise<{ ended: number; next: Nudge[] }> {
  const { progress, onPage } = look;
  const { known, listFromMs: fromMs } = progress;
  const applied = { ended: 0, next: [] as Nudge[] };
  const records = new Map<number, SeenResult>();
  const seenMs: number[] = [];
  const onStart = (start: SeenStart): void => {
    seenMs.push(start.startedMs);
    noteStart(progress, start);
  };
  const applyRead = async (): Promise<void> => {
    runtime.passCrashPoint('poll.results-read');
    const polled = await judgeRecorded(runtime, submission, records);
    records.clear();
    applied.ended += polled.length;
    append(applied.next, await apply(runtime, submission, { polled, look }));
  };
  for await (const page of readResultRecords(runtime, submission, {
    fromMs,
    known,
    onPage,
    onStart,
  })) {
    for (const [index, result] of page) {
      records.set(index, result);
      seenMs.push(result.endedMs);
      noteOver(progress, index);
    }
    if (records.size >= RESULTS_PER_WRITE) await applyRead();
  }
  await applyRead();
  progress.listFromMs = nextListFrom(seenMs, fromMs);
  return applied;
}

function noteOver({ over, running, starts }: Progress, index: number): void {
  over.add(index);
  running.delete(index);
  starts.delete(index);
}

async function judgeRecorded(
  runtime: Runtime,
  { id }: SubmissionRow,
  records: ReadonlyMap<number, SeenResult>,
): Promise<PolledAttempt[]> {
  const attempts = await readOpenAttemptsAt(runtime.database.pool, id, [...records.keys()]);
  return attempts.flatMap((attempt) =>
    judge(runtime, attempt, { result: records.get(attempt.arrayIndex) }),
  );
}

/**
 * Attempts that ended in Batch and had no record when the records were read. A record written since
 * then would be missed, so the records are read once more after Batch said that the attempt ended.
 */
async function judgeUnrecorded(
  runtime: Runtime,
  submission: SubmissionRow,
  job: SeenJob,
): Promise<PolledAttempt[]> {
  const attempts = await readOpenAttempts(runtime.database.pool, [submission.id]);
  const children = await readEnds(runtime, submission, { job, attempts });
  const ended = attempts.flatMap((attempt) => {
    const child = children.get(attempt.arrayIndex);
    return child ? [{ attempt, child }] : [];
  });
  if (ended.length === 0) return [];
  const records = new Map<number, SeenResult>();
  for await (const page of readResultRecords(runtime, submission, { fromMs: 0 }))
    for (const [index, result] of page) records.set(index, result);
  const polled = ended.flatMap(({ attempt, child }) =>
    judge(runtime, attempt, { result: records.get(attempt.arrayIndex), job: endedJob(child) }),
  );
  const fenced = polled.some(({ decision }) => decision.do === 'find-owner');
  return fenced && (await adoptOwner(runtime, submission)) ? polled : polled.map(unfenced);
}

/** What Batch says of each attempt that ended, by array index. */
async function readEnds(
  runtime: Runtime,
  submission: SubmissionRow,
  { job, attempts }: { job: SeenJob; attempts: readonly OpenAttempt[] },
): Promise<Map<number, SeenJob>> {
  const failed = await readFailedChildren(runtime, submission, job);
  if (!hasEnded(job)) return failed;
  const others = attempts.map(({ arrayIndex }) => arrayIndex).filter((index) => !failed.has(index));
  if (submission.size === 1 || isOfForgotten(job))
    return new Map([...failed, ...others.map((index): [number, SeenJob] => [index, job])]);
  const ended = await readEndedChildren(runtime, submission, {
    jobId: job.jobId,
    indexes: others,
  });
  return new Map([...failed, ...ended]);
}

/** The attempt with its decision; nothing while there is nothing to do yet. */
function judge(
  { config }: Runtime,
  attempt: OpenAttempt,
  { result, job }: { result: SeenResult | undefined; job?: EndedJob },
): PolledAttempt[] {
  // How it ended is in the record, whatever Batch says.
  if (result?.isNewer) return [];
  const decision = decideRetry(
    {
      ...(result && !result.record && { isRecordLost: true }),
      ...(result?.record && { result: result.record }),
      ...(job && { job }),
    },
    attempt,
    { ...config, installationArns: installationArns(config) },
  );
  return decision.do === 'wait' ? [] : [{ attempt, decision, result }];
}

const endedJob = ({ status, exitCode, reason, statusReason }: SeenJob): EndedJob => ({
  status: status === 'SUCCEEDED' ? 'SUCCEEDED' : 'FAILED',
  ...(exitCode === undefined ? {} : { exitCode }),
  ...(reason === undefined ? {} : { reason }),
  ...(statusReason === undefined ? {} : { statusReason }),
});

/** From the job that owns the submission, the exit code that means fenced is like any other. */
const unfenced = (one: PolledAttempt): PolledAttempt =>
  one.decision.do === 'find-owner' ? { ...one, decision: failUnfenced } : one;

/** A twin came first: from now on its job is polled. False when the job itself is the owner. */
async function adoptOwner(runtime: Runtime, submission: SubmissionRow): Promise<boolean> {
  const { jobId } = submission;
  if (jobId === null) return false;
  const owner = await claimOwner(runtime, submission, jobId);
  if (owner === jobId) return false;
  runtime.log.warn({ submission: submission.submissionKey, was: jobId, owner }, 'twin-adopted');
  await adoptJob(runtime.database.pool, { id: submission.id, jobId: owner, was: jobId });
  return true;
}

async function apply(
  runtime: Runtime,
  submission: SubmissionRow,
  { polled, look }: { polled: readonly PolledAttempt[]; look: SubmissionLook },
): Promise<Nudge[]> {
  if (polled.length === 0) return [];
  const { progress } = look;
  const { known, unwritten } = progress;
  await mendForged(runtime, polled);
  runtime.metrics.pollChanges.inc(polled.length);
  const { next, written } = await writeAttempts(runtime, polled, unwritten);
  runtime.passCrashPoint('poll.written');
  for (const { attempt, decision, result } of written) {
    if (decision.do === 'finalize') known.add(attempt.arrayIndex);
    if (decision.do === 'find-owner') continue;
    noteOver(progress, attempt.arrayIndex);
    progress.endedNow += 1;
    countEnd(progress.stats, outcomeOf(attempt.place, decision), {
      submittedMs: submission.submittedMs,
      ran: result?.record,
    });
  }
  await countEnds(runtime, submission, written);
  return next;
}

/**
 * Attempts whose stager found something else than the fleet had written for it. The next attempt has
 * a manifest of its own, and a script that may have been overwritten is written again.
 */
async function mendForged(runtime: Runtime, polled: readonly PolledAttempt[]): Promise<void> {
  const forged = polled.filter(({ result }) => result?.record?.error?.kind === 'forged');
  const [first] = forged;
  if (!first) return;
  runtime.metrics.unprovenObjects.inc({ kind: 'manifest' }, forged.length);
  const url = first.result?.record?.error?.subject;
  runtime.log.error({ url, count: forged.length }, 'unproven-object');
  await rewriteScripts(
    runtime,
    forged.map(({ attempt }) => attempt.taskId),
  );
}
