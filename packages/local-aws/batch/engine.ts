/**
 * The life of jobs: which wait for which, what is started, what an end means. Every change of a
 * job's state is made here. No step costs more than the jobs it moves.
 */
import { hostLost, startAttempt, type AttemptSetting } from './attempts.ts';
import type { JobStore } from './job-store.ts';
import {
  isTerminal,
  jobIdOf,
  type Attempt,
  type AttemptOutcome,
  type Job,
  type JobStatus,
  type LiveAttempt,
  type Submission,
} from './jobs.ts';
import type { Journal } from './journal.ts';
import type { FreeSlot, Queues } from './queues.ts';
import { isRetried } from './retry-rules.ts';

export interface EngineSetting extends AttemptSetting {
  store: JobStore;
  journal: Journal;
  /** From SUBMITTED to RUNNABLE. */
  scheduleMs: number;
}

const OVERRIDES_LIMIT = 8192;
const DEPENDENCY_FAILED = 'Dependent Job failed';
const isWaiting = (job: Job) => job.waitingFor > 0 || (job.parent?.waitingFor ?? 0) > 0;

function* membersOf(job: Job): Generator<Job> {
  if (job.children === undefined) yield job;
  else yield* job.children.upwards(undefined, 0);
}

function move(job: Job, to: JobStatus): void {
  if (job.status !== to) job.group.move(job, to);
}

/** Marks a job as cancelled or terminated; its attempt and its children stay as they are. */
export function markStopped(job: Job, how: 'cancel' | 'terminate', reason: string): void {
  // The reason of TerminateJob replaces that of an earlier CancelJob, but not the reverse.
  if (isTerminal(job.status) || (job.stopped?.how === 'terminate' && how === 'cancel')) return;
  job.stopped = { how, reason };
}

/** Owns the running attempts. They end when it is closed. */
export class Engine {
  readonly #setting: EngineSetting;
  readonly #queues: () => Queues;
  /** Jobs whose dependency has failed and that have not ended yet. */
  readonly #doomed = new Set<Job>();
  /** Ended jobs whose waiting jobs have not been notified. */
  readonly #ended: Job[] = [];
  readonly #living = new Map<Job, LiveAttempt>();
  #isSettling = false;
  #isClosed = false;
  #allEnded: (() => void) | undefined;

  /** @param queues a function, because queues and engine need each other */
  constructor(setting: EngineSetting, queues: () => Queues) {
    this.#setting = setting;
    this.#queues = queues;
  }

  submit(submission: Submission): Job {
    const job = this.add(submission);
    const { journal, scheduleMs } = this.#setting;
    journal.write({ event: 'submitted', submission });
    const release = () => {
      if (!this.#isClosed) this.release(job);
    };
    if (scheduleMs > 0) setTimeout(release, scheduleMs).unref();
    else setImmediate(release);
    return job;
  }

  /** Adds the job and links it to its dependencies. Changes no state. */
  add(submission: Submission): Job {
    const { store } = this.#setting;
    const job = store.add(submission);
    for (const { jobId, type } of submission.dependsOn) {
      const other = jobId === undefined ? undefined : store.get(jobId);
      if (type === undefined) this.#waitFor(job, other);
      else {
        for (const child of membersOf(job)) {
          this.#waitFor(
            child,
            type === 'SEQUENTIAL'
              ? job.children?.at(child.ordinal - 1)
              : other?.children?.at(child.ordinal),
          );
        }
      }
    }
    return job;
  }

  #waitFor(job: Job, dependency: Job | undefined): void {
    if (dependency === undefined || dependency.status === 'SUCCEEDED') return;
    if (dependency.status === 'FAILED') {
      this.#doomed.add(job);
      return;
    }
    dependency.waiters ??= [];
    dependency.waiters.push(job);
    job.waitingFor += 1;
  }

  /** Makes a job, or each child of an array, RUNNABLE, or PENDING while it waits for others. */
  release(job: Job): void {
    for (const member of membersOf(job)) {
      if (isTerminal(member.status) || member.status === 'RUNNABLE' || member.live !== undefined)
        continue;
      if (this.#doomed.has(member) || this.#doomed.has(job))
        this.finish(member, 'FAILED', DEPENDENCY_FAILED, this.#setting.nowMs());
      else if (isWaiting(member)) move(member, 'PENDING');
      else this.#makeRunnable(member);
    }
    if (job.children !== undefined && job.status === 'SUBMITTED') move(job, 'PENDING');
    this.#doomed.delete(job);
  }

  #makeRunnable(job: Job): void {
    const stopped = job.stopped ?? job.parent?.stopped;
    if (stopped !== undefined) {
      this.finish(job, 'FAILED', stopped.reason, this.#setting.nowMs());
      return;
    }
    if (job.parent?.status === 'SUBMITTED') move(job.parent, 'PENDING');
    move(job, 'RUNNABLE');
    this.#queues().push(job);
  }

  /** Called by the queues with a RUNNABLE job for which there is a slot. */
  start(job: Job, environment: string, freeSlot: FreeSlot): void {
    if (this.#isClosed) return;
    if (job.submission.container.overridesLength > OVERRIDES_LIMIT) {
      this.finish(
        job,
        'FAILED',
        `Container Overrides length must be at most ${OVERRIDES_LIMIT}`,
        this.#setting.nowMs(),
      );
      freeSlot();
      return;
    }
    move(job, 'STARTING');
    job.live = startAttempt(this.#setting, job, environment, {
      running: (live, atMs) => this.#markRunning(job, live, atMs),
      ended: (outcome, attempt) => {
        this.#living.delete(job);
        if (!this.#isClosed) {
          this.attemptEnded(job, outcome, attempt);
          freeSlot();
        } else if (this.#living.size === 0) this.#allEnded?.();
      },
    });
    this.#living.set(job, job.live);
  }

  #markRunning(job: Job, { taskId, logStreamName }: LiveAttempt, atMs: number): void {
    if (this.#isClosed) return;
    job.startedAtMs = atMs;
    if (job.parent !== undefined) job.parent.startedAtMs ??= atMs;
    move(job, 'RUNNING');
    const stream = logStreamName === undefined ? {} : { logStreamName };
    this.#setting.journal.write({ event: 'started', jobId: jobIdOf(job), taskId, ...stream, atMs });
  }

  attemptEnded(job: Job, outcome: AttemptOutcome, attempt: Attempt): void {
    delete job.live;
    job.attempts.push(attempt);
    this.#setting.journal.write({ event: 'attempt', jobId: jobIdOf(job), attempt });
    const stopped =
      job.stopped ?? (job.parent?.stopped?.how === 'terminate' ? job.parent.stopped : undefined);
    if (outcome.exitCode === 0 && outcome.retriable)
      this.finish(job, 'SUCCEEDED', outcome.statusReason, attempt.stoppedAtMs);
    else if (stopped === undefined && isRetried(job.submission.retry, outcome, job.attempts.length))
      this.#makeRunnable(job);
    else
      this.finish(
        job,
        'FAILED',
        stopped?.how === 'terminate' ? stopped.reason : outcome.statusReason,
        attempt.stoppedAtMs,
      );
  }

  /** @param statusReason an empty one is not shown */
  finish(job: Job, status: 'SUCCEEDED' | 'FAILED', statusReason: string, atMs: number): void {
    if (isTerminal(job.status)) return;
    move(job, status);
    if (statusReason !== '') job.statusReason = statusReason;
    job.stoppedAtMs = atMs;
    this.#doomed.delete(job);
    // The end of a parent follows from its children, also in a replay of the journal.
    if (job.children === undefined)
      this.#setting.journal.write({
        event: 'ended',
        jobId: jobIdOf(job),
        status,
        statusReason,
        atMs,
      });
    if (job.parent === undefined) this.#setting.store.ended(job);
    else this.#finishParent(job.parent, atMs);
    this.#ended.push(job);
    this.#settle();
  }

  #finishParent(parent: Job, atMs: number): void {
    const { children } = parent;
    if (children === undefined || isTerminal(parent.status)) return;
    const failed = children.count('FAILED');
    if (failed + children.count('SUCCEEDED') < children.size()) return;
    if (failed === 0) this.finish(parent, 'SUCCEEDED', '', atMs);
    else this.finish(parent, 'FAILED', parent.stopped?.reason ?? 'Array Child Job failed', atMs);
  }

  // A chain of 10,000 jobs that wait for each other must not become 10,000 nested calls.
  #settle(): void {
    if (this.#isSettling) return;
    this.#isSettling = true;
    for (let job = this.#ended.pop(); job !== undefined; job = this.#ended.pop())
      this.#tellWaiters(job);
    this.#isSettling = false;
  }

  #tellWaiters(job: Job): void {
    const waiters = job.waiters ?? [];
    delete job.waiters;
    for (const waiter of waiters) {
      waiter.waitingFor -= 1;
      if (job.status === 'FAILED') this.#doomed.add(waiter);
      // A waiter that is not PENDING yet is handled by its first release or the end of a replay.
      if (waiter.status === 'PENDING' && (job.status === 'FAILED' || !isWaiting(waiter)))
        this.release(waiter);
    }
  }

  /**
   * CancelJob ends what has not started, and running jobs continue. TerminateJob ends everything.
   */
  stop(job: Job, how: 'cancel' | 'terminate', reason: string): void {
    if (isTerminal(job.status)) return;
    // CancelJob must not hide the reason for which a running job later ends.
    if (how === 'terminate' || job.live === undefined) {
      markStopped(job, how, reason);
      this.#setting.journal.write({ event: 'stopped', jobId: jobIdOf(job), how, reason });
    }
    for (const member of membersOf(job)) {
      if (isTerminal(member.status)) continue;
      if (member.live !== undefined) {
        if (how === 'terminate')
          member.live.stop({ statusReason: reason, retriable: false }, 'politely');
        // According to AWS, a job that waits for others is cancelled when they have ended.
      } else if (how === 'terminate' || member.status !== 'PENDING')
        this.finish(member, 'FAILED', reason, this.#setting.nowMs());
    }
  }

  /** Loses the host of the job, or of all running children. False when nothing is running. */
  loseHost(job: Job): boolean {
    let lost = false;
    for (const member of membersOf(job)) {
      if (member.live === undefined) continue;
      member.live.stop(hostLost(), 'at-once');
      lost = true;
    }
    return lost;
  }

  /**
   * Ends all attempts at once without a journal entry: to the next server they have lost their
   * hosts.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#living.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#allEnded = resolve;
    for (const live of this.#living.values()) live.stop(hostLost(), 'at-once');
    await promise;
  }
}
