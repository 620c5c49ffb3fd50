/** poll: one look at a Batch queue tells which attempts have ended; each becomes a result, a new try or a failure. */
import { dueAfter } from '../../../core/stall.ts';
import type { SeenJob } from '../../../aws/batch.ts';
import type { EndedJob } from '../../../core/retry/batch-reasons.ts';
import { decideRetry, failUnfenced, type RetryDecision } from '../../../core/retry/decide-retry.ts';
import type { SeenResult } from '../../../core/result/result.ts';
import {
  endedCount,
  hasEnded,
  hasRun,
  isForgotten,
  nextLookMs,
  waitingReasonOf,
} from '../../../core/submission/queue-look.ts';
import {
  countOpenAttempts,
  readOpenAttempts,
  readOpenAttemptsAt,
  type OpenAttempt,
  type OpenCount,
} from '../../../db/attempts.ts';
import {
  adoptJob,
  endSubmissions,
  markSeenRunning,
  noteWaitingReason,
  postponeSubmissions,
  readRunning,
  type SubmissionRow,
} from '../../../db/submissions.ts';
import { joinNudges, type Messages, type Nudge } from '../../../queues/messages.ts';
import { batchStatuses } from '../../../telemetry/metrics.ts';
import { applyPolled, type PolledAttempt } from './apply.ts';
import { endCancelledJobs } from './end-cancelled.ts';
import type { Runtime, StageOutcome } from '../../runtime.ts';
import { recallQueue, type QueueMemory } from './queue-memory.ts';
import { claimOwner } from '../submit/submission.ts';
import { seeFailed, seeJobs, seeResults } from './look.ts';

export async function poll(runtime: Runtime, { queue }: Messages['poll']): Promise<StageOutcome> {
  const { pool } = runtime.database;
  const running = await readRunning(pool, queue);
  const memory = recallQueue(
    runtime,
    queue,
    running.map(({ id }) => id),
  );
  if (running.length === 0) {
    countJobs(runtime, queue, []);
    return { do: 'done' };
  }

  const jobs = await seeJobs(runtime, queue, running);
  runtime.passCrashPoint('poll.jobs-seen');
  const open = await countOpenAttempts(
    pool,
    running.map(({ id }) => id),
  );
  countJobs(runtime, queue, jobs.values());
  const nowMs = runtime.nowMs();
  await markSeenRunning(
    runtime.database,
    running
      .filter(
        ({ runningMs, jobId }) =>
          runningMs === null && hasRun(jobs.get(jobId ?? '') ?? { status: '' }),
      )
      .map(({ id }) => id),
    nowMs,
  );

  noteMissing(memory, { running, jobs, nowMs });
  await noteWaiting(runtime, memory, { running, jobs });
  const next: Nudge[] = [];
  let pages = 0;
  const onPage = (): void => void (pages += 1);
  for (const submission of running) {
    const job = jobs.get(submission.jobId ?? '') ?? forgottenJob(submission, memory, nowMs);
    const count = open.get(submission.id);
    if (!job || !count || !wantsReading(submission, job, count)) continue;
    try {
      next.push(
        ...(await readSubmission(runtime, submission, {
          job,
          count,
          known: memory.dealtWith.get(submission.id) ?? new Set(),
          onPage,
        })),
      );
    } catch (error) {
      // It is looked at again next time; the others of the queue do not wait for it.
      runtime.log.error(
        { submission: submission.submissionKey, err: error },
        'submission-not-read',
      );
    }
  }
  await postponeSubmissions(
    pool,
    running.map(({ id }) => id),
    dueAfter(nowMs, runtime.config.stallMs),
  );
  await endSubmissions(
    pool,
    running.map(({ id }) => id),
    nowMs,
  );
  if (next.length > 0) memory.lastEndMs = nowMs;
  return {
    do: 'wait',
    waitMs: pace(runtime, { running, lastEndMs: memory.lastEndMs, nowMs, pages }),
    next: joinNudges(next, runtime.config.chunkSize),
  };
}

function pace(
  { config }: Runtime,
  {
    running,
    lastEndMs,
    nowMs,
    pages,
  }: { running: readonly SubmissionRow[]; lastEndMs: number; nowMs: number; pages: number },
): number {
  // Batch itself tells when there is something to see; the slow looks are for events that got lost.
  if (config.jobEventsUrl !== '') return config.pollSlowestMs;
  const lastMs = Math.max(
    lastEndMs,
    ...running.map(({ submittedMs, cancelMs }) => Math.max(submittedMs ?? 0, cancelMs ?? 0)),
  );
  return nextLookMs(nowMs - lastMs, pages, {
    pollMs: config.pollMs,
    slowestMs: config.pollSlowestMs,
  });
}

/** Only submissions in which something has changed cost more than their part of the one look. */
const wantsReading = (submission: SubmissionRow, job: SeenJob, count: OpenCount): boolean =>
  submission.cancelMs !== null || endedCount(job) > submission.size - count.open;

function noteMissing(
  { missingSinceMs }: QueueMemory,
  {
    running,
    jobs,
    nowMs,
  }: { running: readonly SubmissionRow[]; jobs: ReadonlyMap<string, SeenJob>; nowMs: number },
): void {
  for (const { id, jobId } of running) {
    if (jobs.has(jobId ?? '')) missingSinceMs.delete(id);
    else if (!missingSinceMs.has(id)) missingSinceMs.set(id, nowMs);
  }
}

/** What Batch says twice in a row of why a job does not start is shown to its caller. */
async function noteWaiting(
  runtime: Runtime,
  { waitingReasons }: QueueMemory,
  { running, jobs }: { running: readonly SubmissionRow[]; jobs: ReadonlyMap<string, SeenJob> },
): Promise<void> {
  for (const { id, jobId, waitingReason } of running) {
    const reason = waitingReasonOf(jobs.get(jobId ?? '') ?? { status: '' });
    const before = waitingReasons.get(id);
    if (reason === undefined) waitingReasons.delete(id);
    else waitingReasons.set(id, reason);
    const told = reason === undefined ? null : reason === before ? reason : waitingReason;
    if (told !== waitingReason) await noteWaitingReason(runtime.database.pool, id, told);
  }
}

function forgottenJob(
  submission: SubmissionRow,
  { missingSinceMs }: QueueMemory,
  nowMs: number,
): SeenJob | undefined {
  const sinceMs = missingSinceMs.get(submission.id) ?? nowMs;
  if (
    !isForgotten({ submittedMs: submission.submittedMs ?? nowMs, missingSinceMs: sinceMs }, nowMs)
  )
    return undefined;
  return {
    jobId: submission.jobId ?? '',
    status: 'FAILED',
    createdMs: submission.createdMs,
    statusReason: 'AWS Batch does not know the job any more',
    ...(submission.size > 1 ? { counts: { FAILED: submission.size } } : {}),
  };
}

interface Look {
  job: SeenJob;
  count: OpenCount;
  /** Array indexes whose results this process has dealt with: they are not read again at each look. */
  known: Set<number>;
  onPage(): void;
}

async function readSubmission(
  runtime: Runtime,
  submission: SubmissionRow,
  { job, count, known, onPage }: Look,
): Promise<Nudge[]> {
  const { pool } = runtime.database;
  if (submission.cancelMs !== null)
    await endCancelledJobs(runtime, {
      submission,
      job,
      attempts: await readOpenAttempts(pool, [submission.id]),
    });

  const next: Nudge[] = [];
  let ended = submission.size - count.open;
  const results = new Map<number, SeenResult>();
  const writeResults = async (): Promise<void> => {
    runtime.passCrashPoint('poll.results-read');
    const polled = (await readOpenAttemptsAt(pool, submission.id, [...results.keys()])).flatMap(
      (attempt) => judge(runtime, attempt, { result: results.get(attempt.arrayIndex) }),
    );
    results.clear();
    ended += polled.length;
    next.push(...(await write(runtime, polled, known)));
  };
  for await (const page of seeResults(runtime, submission, {
    firstOpen: count.firstOpen,
    known,
    onPage,
  })) {
    for (const [index, result] of page) results.set(index, result);
    if (results.size >= RESULTS_PER_WRITE) await writeResults();
  }
  await writeResults();
  if (endedCount(job) > ended)
    next.push(...(await write(runtime, await readWithoutRecord(runtime, submission, job), known)));
  return next;
}

/** All of 10,000 at once cost a worker 100 MB; a page with a few new ones is no transaction worth. */
const RESULTS_PER_WRITE = 1000;

async function write(
  runtime: Runtime,
  polled: readonly PolledAttempt[],
  known: Set<number>,
): Promise<Nudge[]> {
  if (polled.length === 0) return [];
  runtime.metrics.pollChanges.inc(polled.length);
  const next = await applyPolled(runtime, polled);
  runtime.passCrashPoint('poll.written');
  for (const { attempt, decision } of polled)
    if (decision.do === 'finalize') known.add(attempt.arrayIndex);
  return next;
}

/**
 * Attempts that ended in Batch and had no record when the records were read. A record written since then would be
 * missed, so the records are read once more after Batch said that the attempt had ended.
 */
async function readWithoutRecord(
  runtime: Runtime,
  submission: SubmissionRow,
  job: SeenJob,
): Promise<PolledAttempt[]> {
  const failed = await seeFailed(runtime, submission, job);
  const open = (await readOpenAttempts(runtime.database.pool, [submission.id])).flatMap(
    (attempt) => {
      const child = failed.get(attempt.arrayIndex) ?? (hasEnded(job) ? job : undefined);
      return child ? [{ attempt, child }] : [];
    },
  );
  const firstOpen = open[0]?.attempt.arrayIndex;
  if (firstOpen === undefined) return [];
  const results = new Map<number, SeenResult>();
  for await (const page of seeResults(runtime, submission, { firstOpen }))
    for (const [index, result] of page) results.set(index, result);
  const polled = open.flatMap(({ attempt, child }) =>
    judge(runtime, attempt, { result: results.get(attempt.arrayIndex), job: endedJob(child) }),
  );
  const fenced = polled.some(({ decision }) => decision.do === 'find-owner');
  return fenced && (await adoptOwner(runtime, submission)) ? polled : polled.map(unfenced);
}

/** The attempt with what is to be done about it; nothing where there is nothing to do yet. */
function judge(
  runtime: Runtime,
  attempt: OpenAttempt,
  seen: { result: SeenResult | undefined; job?: EndedJob },
): PolledAttempt[] {
  const decision = decide(runtime, attempt, seen);
  return decision.do === 'wait' ? [] : [{ attempt, decision, result: seen.result }];
}

function decide(
  runtime: Runtime,
  attempt: OpenAttempt,
  seen: { result: SeenResult | undefined; job?: EndedJob },
): RetryDecision {
  const { hostLossTries, memoryGrowthTries, transientTries } = runtime.config;
  return decideRetry(
    {
      ...(seen.result?.record ? { result: seen.result.record } : {}),
      ...(seen.job ? { job: seen.job } : {}),
    },
    attempt,
    { hostLossTries, memoryGrowthTries, transientTries },
  );
}

const endedJob = ({ status, exitCode, reason, statusReason }: SeenJob): EndedJob => ({
  status: status === 'SUCCEEDED' ? 'SUCCEEDED' : 'FAILED',
  ...(exitCode === undefined ? {} : { exitCode }),
  ...(reason === undefined ? {} : { reason }),
  ...(statusReason === undefined ? {} : { statusReason }),
});

/** An exit code that means fenced, from the job that owns the submission: then it is an exit code like any other. */
const unfenced = (one: PolledAttempt): PolledAttempt =>
  one.decision.do === 'find-owner' ? { ...one, decision: failUnfenced } : one;

/** A twin came first: its job is the one to watch from now on. False when the job itself is the owner. */
async function adoptOwner(runtime: Runtime, submission: SubmissionRow): Promise<boolean> {
  const { jobId } = submission;
  if (jobId === null) return false;
  const owner = await claimOwner(runtime, submission.submissionKey, jobId);
  if (owner === jobId) return false;
  runtime.log.warn({ submission: submission.submissionKey, was: jobId, owner }, 'twin-adopted');
  await adoptJob(runtime.database.pool, { id: submission.id, jobId: owner, was: jobId });
  return true;
}

function countJobs(runtime: Runtime, queue: string, jobs: Iterable<SeenJob>): void {
  const totals = new Map<string, number>(batchStatuses.map((status) => [status, 0]));
  for (const job of jobs) {
    for (const [status, count] of Object.entries(job.counts ?? { [job.status]: 1 }))
      totals.set(status, (totals.get(status) ?? 0) + count);
  }
  for (const [status, count] of totals) runtime.metrics.batchJobs.set({ queue, status }, count);
  runtime.metrics.batchJobsSeen.set({ queue }, runtime.nowMs() / 1000);
}
