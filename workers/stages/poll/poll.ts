/**
 * poll: one look at a Batch queue tells which attempts have ended; each becomes a result, a retry
 * or a failure.
 */
import { append } from '../../../core/append.ts';
import { denialOf } from '../../../aws/answers.ts';
import type { SeenJob } from '../../../aws/batch.ts';
import { dueAfter } from '../../../core/stall.ts';
import { forgottenJob, missingJobs } from '../../../core/submission/forgotten-job.ts';
import { hasEnded, hasNews } from '../../../core/submission/job-status.ts';
import { lastChangeMs, nextLookMs } from '../../../core/submission/poll-pace.ts';
import {
  blockedSentence,
  isBlockedSentence,
  kindOfReason,
  reasonToShow,
  waitingReasonOf,
} from '../../../core/submission/waiting-reason.ts';
import {
  endSubmissions,
  noteBlindQueue,
  noteWaiting,
  postponeSubmissions,
  readRunning,
  type SubmissionRow,
} from '../../../db/submissions.ts';
import { storeJobCounts } from '../../../queues/job-counts.ts';
import { logSubmissionEnd } from '../submission-lines.ts';
import { tellWaiting } from '../tell-waiting.ts';
import { joinNudges, type Messages, type Nudge } from '../../../queues/messages.ts';
import { concernsAll } from '../../../core/isolation/whose-fault.ts';
import { isTaskAtFault } from '../../isolation/may-fail.ts';
import { failUnreadable } from './fail-unreadable.ts';
import { LOOKS_IN_TROUBLE } from './write-attempts.ts';
import { batchStatuses } from '../../../telemetry/metrics.ts';
import type { Runtime, StageOutcome } from '../../runtime.ts';
import { newProgress, recallQueue, type Progress, type QueueMemory } from './queue-memory.ts';
import { readJobs } from './read-jobs.ts';
import { readSubmission } from './read-submission.ts';
import { askForChildren, noteQueue, planStartLook, writeStarts } from './see-starts.ts';

/** One look at a queue; each verb takes it and gives it on with what it found. */
interface Look {
  queue: string;
  nowMs: number;
  running: readonly SubmissionRow[];
  memory: QueueMemory;
  /** By job id. */
  jobs: ReadonlyMap<string, SeenJob>;
}

interface AppliedLook extends Look {
  next: Nudge[];
  /** Pages of result records that were listed. */
  pages: number;
}

export async function poll(runtime: Runtime, { queue }: Messages['poll']): Promise<StageOutcome> {
  const running = await readRunning(runtime.database.pool, queue);
  const ids = running.map(({ id }) => id);
  const memory = recallQueue(runtime, queue, ids);
  if (running.length === 0) {
    countJobs(runtime, queue, []);
    return { do: 'done' };
  }
  const look = await seeQueue(runtime, { queue, running, memory }).catch((error: unknown) =>
    noteDenial(runtime, { queue, running }, error),
  );
  if (look === 'denied') return lookAgainLater(runtime, ids);
  await noteQueue(runtime, seenOf(look), look.nowMs);
  await noteWaitingReasons(runtime, look);
  const applied = await applyNews(runtime, look);
  await postponeAndEnd(runtime, applied);
  return planNextLook(runtime, applied);
}

async function seeQueue(
  runtime: Runtime,
  { queue, running, memory }: Pick<Look, 'queue' | 'running' | 'memory'>,
): Promise<Look> {
  const jobs = await readJobs(runtime, queue, running);
  runtime.passCrashPoint('poll.jobs-seen');
  countJobs(runtime, queue, jobs.values());
  const nowMs = runtime.nowMs();
  memory.missing = missingJobs(memory.missing, running, { seen: jobs, nowMs });
  return { queue, nowMs, running, memory, jobs };
}

/** How soon a queue is looked at again after AWS denied it. */
const DENIED_WAIT_MS = 10_000;

/** Throws any error but a denial. */
async function noteDenial(
  runtime: Runtime,
  { queue, running }: Pick<Look, 'queue' | 'running'>,
  error: unknown,
): Promise<'denied'> {
  const denial = denialOf(error);
  if (denial === undefined) throw error;
  runtime.log.warn({ queue, message: denial.words }, 'queue-not-watched');
  await noteBlindQueue(runtime.database.pool, queue, {
    words: blockedSentence(denial.words),
    nowMs: runtime.nowMs(),
  });
  for (const submission of running) await tellWaiting(runtime, submission, 'permission');
  return 'denied';
}

async function lookAgainLater(runtime: Runtime, ids: readonly number[]): Promise<StageOutcome> {
  const dueMs = dueAfter(runtime.nowMs() + DENIED_WAIT_MS, runtime.config.stallMs);
  await postponeSubmissions(runtime.database.pool, ids, dueMs);
  return { do: 'wait', waitMs: DENIED_WAIT_MS };
}

const UNSEEN = { status: '' };

interface SeenSubmission {
  submission: SubmissionRow;
  job: SeenJob;
  progress: Progress;
}

/** The submissions whose jobs Batch shows. */
const seenOf = ({ running, jobs, memory }: Look): SeenSubmission[] =>
  running.flatMap((submission) => {
    const job = jobs.get(submission.jobId ?? '');
    return job ? [{ submission, job, progress: progressOf(memory, submission) }] : [];
  });

const progressOf = ({ progress }: QueueMemory, { id }: SubmissionRow): Progress => {
  const known = progress.get(id) ?? newProgress();
  progress.set(id, known);
  return known;
};

async function noteWaitingReasons(
  runtime: Runtime,
  { running, jobs, nowMs, memory: { waitingReasons } }: Look,
): Promise<void> {
  for (const submission of running) {
    const { id, jobId, waitingReason: shown } = submission;
    const said = waitingReasonOf(jobs.get(jobId ?? '') ?? UNSEEN);
    // Cleared once what was denied has been read.
    if (isBlockedSentence(shown)) continue;
    const toShow = reasonToShow({ said, saidBefore: waitingReasons.get(id), shown });
    if (said === undefined) waitingReasons.delete(id);
    else waitingReasons.set(id, said);
    if (toShow === shown) continue;
    const waiting = toShow === null ? null : { for: kindOfReason(toShow), words: toShow };
    try {
      await noteWaiting(runtime.database.pool, id, waiting, nowMs);
      if (waiting) await tellWaiting(runtime, submission, waiting.for);
    } catch (error) {
      if (concernsAll(error)) throw error;
      runtime.log.error({ submissionId: id, err: error }, 'waiting-reason-not-noted');
    }
  }
}

async function applyNews(runtime: Runtime, look: Look): Promise<AppliedLook> {
  const { running, jobs, memory, nowMs } = look;
  const applied: AppliedLook = { ...look, next: [], pages: 0 };
  for (const submission of running) {
    const { id, jobId } = submission;
    const job = jobs.get(jobId ?? '') ?? forgottenJob(submission, memory.missing.get(id), nowMs);
    if (!job || submission.open === 0) continue;
    const seen = { submission, job, progress: progressOf(memory, submission) };
    const listed = hasNews(submission, job);
    if (listed) await readNews(runtime, applied, seen);
    else await unblock(runtime, submission);
    await seeStarts(runtime, applied, { ...seen, listed });
  }
  return applied;
}

async function readNews(
  runtime: Runtime,
  applied: AppliedLook,
  { submission, job, progress }: SeenSubmission,
): Promise<void> {
  const { memory, next } = applied;
  const { id } = submission;
  try {
    const nudges = await readSubmission(runtime, submission, {
      job,
      progress,
      onPage: () => void (applied.pages += 1),
    });
    append(next, nudges);
    memory.troubles.delete(id);
    await unblock(runtime, submission);
  } catch (error) {
    // The next look reads it again; the others of the queue do not wait for it.
    const words = denialOf(error)?.words;
    if (words !== undefined) {
      const waiting = { for: 'permission', words: blockedSentence(words) } as const;
      await noteWaiting(runtime.database.pool, id, waiting, runtime.nowMs());
      await tellWaiting(runtime, submission, 'permission');
    }
    runtime.log.error({ submission: submission.submissionKey, err: error }, 'submission-not-read');
    append(next, await noteTrouble(runtime, applied, { submission, job, error }));
  }
}

/** Where nothing has ended, a look may list all the same, to learn what has started. */
async function seeStarts(
  runtime: Runtime,
  applied: AppliedLook,
  { listed, ...seen }: SeenSubmission & { listed: boolean },
): Promise<void> {
  const { nowMs } = applied;
  const { progress } = seen;
  const plan = planStartLook(seen, { listed, found: progress.starts.size > 0 }, nowMs);
  if (plan === 'list') {
    await readNews(runtime, applied, seen);
    if (progress.starts.size > 0)
      progress.startLooks = { ...progress.startLooks, differsMs: nowMs };
  }
  if (plan === 'children') await askForChildren(runtime, seen, nowMs);
  await writeStarts(runtime, seen, nowMs);
}

/** What was denied before has been read. */
async function unblock(runtime: Runtime, { id, waitingReason }: SubmissionRow): Promise<void> {
  if (isBlockedSentence(waitingReason))
    await noteWaiting(runtime.database.pool, id, null, runtime.nowMs());
}

/** Once its job has ended and every look throws for a reason of its own, its tasks fail. */
async function noteTrouble(
  runtime: Runtime,
  { memory: { troubles } }: Look,
  { submission, job, error }: { submission: SubmissionRow; job: SeenJob; error: unknown },
): Promise<Nudge[]> {
  if (concernsAll(error)) return [];
  const looks = (troubles.get(submission.id) ?? 0) + 1;
  troubles.set(submission.id, looks);
  if (looks < LOOKS_IN_TROUBLE || !hasEnded(job)) return [];
  if (!(await isTaskAtFault(runtime, 'poll'))) return [];
  return failUnreadable(runtime, submission, error);
}

async function postponeAndEnd(
  runtime: Runtime,
  { running, next, memory, nowMs }: AppliedLook,
): Promise<void> {
  const { pool } = runtime.database;
  const ids = running.map(({ id }) => id);
  await postponeSubmissions(pool, ids, dueAfter(nowMs, runtime.config.stallMs));
  await endSubmissions(pool, ids, nowMs);
  for (const submission of running) {
    const progress = memory.progress.get(submission.id);
    if (!progress || progress.endedNow === 0) continue;
    if (submission.open <= progress.endedNow)
      await logSubmissionEnd(runtime, submission, progress.stats);
    progress.endedNow = 0;
  }
  if (next.length > 0) memory.lastEndMs = nowMs;
}

function planNextLook(
  { config }: Runtime,
  { running, memory, next, pages, nowMs }: AppliedLook,
): StageOutcome {
  const idleMs = nowMs - lastChangeMs(running, memory.lastEndMs);
  const pace = { pollMs: config.pollMs, slowestMs: config.pollSlowestMs };
  return {
    do: 'wait',
    // With events, Batch itself says when there is news; the slow looks are for events that got
    // lost.
    waitMs: config.jobEventsUrl === '' ? nextLookMs(idleMs, pages, pace) : config.pollSlowestMs,
    next: joinNudges(next, config.chunkSize),
  };
}

function countJobs(runtime: Runtime, queue: string, jobs: Iterable<SeenJob>): void {
  const { metrics, nowMs } = runtime;
  const totals = new Map<string, number>(batchStatuses.map((status) => [status, 0]));
  for (const job of jobs) {
    for (const [status, count] of Object.entries(job.counts ?? { [job.status]: 1 }))
      totals.set(status, (totals.get(status) ?? 0) + count);
  }
  for (const [status, count] of totals) metrics.batchJobs.set({ queue, status }, count);
  metrics.batchJobsSeen.set({ queue }, nowMs() / 1000);
  tellJobCounts(runtime, queue, totals);
}

/** For the workers that count the fleet and write the scaling signal, which may be other ones. */
function tellJobCounts(
  { config, queues, log }: Runtime,
  queue: string,
  totals: ReadonlyMap<string, number>,
): void {
  const of = (status: string): number => totals.get(status) ?? 0;
  const counts = { runnable: of('RUNNABLE'), running: of('RUNNING') };
  storeJobCounts(queues.redis, config.redisPrefix, [queue, counts]).catch((error: unknown) =>
    log.debug({ err: error, queue }, 'job-counts-not-stored'),
  );
}
