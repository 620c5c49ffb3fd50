/**
 * The life of jobs: who waits for whom, what is started, what an ending means. Everything that changes a job's
 * state goes through here; no step costs more than the jobs it moves.
 */
import type { AttemptSetting } from './attempts.ts';
import { hostLost, startAttempt } from './attempts.ts';
import type { JobStore } from './job-store.ts';
import type { Attempt, AttemptOutcome, Job, JobStatus, LiveAttempt, Submission } from './jobs.ts';
import { isTerminal, jobIdOf } from './jobs.ts';
import type { Journal } from './journal.ts';
import type { FreeSlot, Queues } from './queues.ts';
import { isRetried } from './retry-rules.ts';

export interface EngineSetting extends AttemptSetting {
  store: JobStore;
  journal: Journal;
  /** From SUBMITTED to RUNNABLE. */
  scheduleMs: number;
}

export interface Engine {
  submit(submission: Submission): Job;
  /** Ends what has not started; what runs goes on. */
  cancel(job: Job, reason: string): void;
  /** Ends it wherever it is, a whole array too. */
  terminate(job: Job, reason: string): void;
  /** The host under a running attempt is gone. False when nothing of the job runs. */
  loseHost(job: Job): boolean;
  /** Called by the queues with a job that got a slot. */
  start(job: Job, environment: string, freeSlot: FreeSlot): void;
  /** Ends all attempts at once and writes nothing of it down: the next server finds them as hosts lost. */
  close(): Promise<void>;
}

/** The moves that replay-journal.ts makes too. */
export interface EngineMoves {
  /** Adds the job and ties it to what it depends on; moves nothing. */
  add(submission: Submission): Job;
  /** Lets it go RUNNABLE, or PENDING while it waits for others. */
  release(job: Job): void;
  finish(job: Job, status: 'SUCCEEDED' | 'FAILED', statusReason: string, atMs: number): void;
  attemptEnded(job: Job, outcome: AttemptOutcome, attempt: Attempt): void;
  /** Marks a job stopped; its attempt or its children are not touched. */
  markStopped(job: Job, how: 'cancel' | 'terminate', reason: string): void;
}

const overridesLimit = 8192;
const dependencyFailed = 'Dependent Job failed';

function* membersOf(job: Job): Generator<Job> {
  if (job.children === undefined) yield job;
  else yield* job.children.upwards(undefined, 0);
}

const isWaiting = (job: Job) => job.waitingFor > 0 || (job.parent?.waitingFor ?? 0) > 0;

export function createEngine(setting: EngineSetting, queues: () => Queues): Engine & EngineMoves {
  const { store, journal, nowMs } = setting;
  const doomed = new Set<Job>();
  const ended: Job[] = [];
  const living = new Map<Job, LiveAttempt>();
  let settling = false;
  let closing: (() => void) | undefined;
  let isClosed = false;

  const move = (job: Job, to: JobStatus) => {
    if (job.status !== to) job.group.move(job, to);
  };

  /** True when the dependency is open and `job` now waits for it. */
  function waitFor(job: Job, dependency: Job | undefined): void {
    if (dependency === undefined || dependency.status === 'SUCCEEDED') return;
    if (dependency.status === 'FAILED') {
      doomed.add(job);
      return;
    }
    dependency.waiters ??= [];
    dependency.waiters.push(job);
    job.waitingFor += 1;
  }

  function add(submission: Submission): Job {
    const job = store.add(submission);
    for (const { jobId, type } of submission.dependsOn) {
      const other = jobId === undefined ? undefined : store.get(jobId);
      if (type === 'SEQUENTIAL') for (const child of membersOf(job)) waitFor(child, job.children?.at(child.ordinal - 1));
      else if (type === 'N_TO_N') for (const child of membersOf(job)) waitFor(child, other?.children?.at(child.ordinal));
      else waitFor(job, other);
    }
    return job;
  }

  function makeRunnable(job: Job): void {
    const stopped = job.stopped ?? job.parent?.stopped;
    if (stopped !== undefined) {
      finish(job, 'FAILED', stopped.reason, nowMs());
      return;
    }
    if (job.parent?.status === 'SUBMITTED') move(job.parent, 'PENDING');
    move(job, 'RUNNABLE');
    queues().push(job);
  }

  function release(job: Job): void {
    for (const member of membersOf(job)) {
      if (isTerminal(member.status) || member.status === 'RUNNABLE' || member.live !== undefined) continue;
      if (doomed.has(member) || doomed.has(job)) finish(member, 'FAILED', dependencyFailed, nowMs());
      else if (isWaiting(member)) move(member, 'PENDING');
      else makeRunnable(member);
    }
    if (job.children !== undefined && job.status === 'SUBMITTED') move(job, 'PENDING');
    doomed.delete(job);
  }

  function tellWaiters(job: Job): void {
    const waiters = job.waiters ?? [];
    delete job.waiters;
    for (const waiter of waiters) {
      waiter.waitingFor -= 1;
      if (job.status === 'FAILED') doomed.add(waiter);
      // Before its first release a job is let go by that, and during a replay by the end of the replay.
      if (waiter.status === 'PENDING' && (job.status === 'FAILED' || !isWaiting(waiter))) release(waiter);
    }
  }

  // A chain of 10,000 jobs that wait for each other must not become 10,000 nested calls.
  function settle(): void {
    if (settling) return;
    settling = true;
    for (let job = ended.pop(); job !== undefined; job = ended.pop()) tellWaiters(job);
    settling = false;
  }

  function finishParent(parent: Job, atMs: number): void {
    const { children } = parent;
    if (children === undefined || isTerminal(parent.status)) return;
    const failed = children.count('FAILED');
    if (failed + children.count('SUCCEEDED') < children.size()) return;
    if (failed === 0) finish(parent, 'SUCCEEDED', '', atMs);
    else finish(parent, 'FAILED', parent.stopped?.reason ?? 'Array Child Job failed', atMs);
  }

  function finish(job: Job, status: 'SUCCEEDED' | 'FAILED', statusReason: string, atMs: number): void {
    if (isTerminal(job.status)) return;
    move(job, status);
    if (statusReason !== '') job.statusReason = statusReason;
    job.stoppedAtMs = atMs;
    doomed.delete(job);
    // A parent's end follows from its children's, also when the journal is read again.
    if (job.children === undefined) journal.write({ event: 'ended', jobId: jobIdOf(job), status, statusReason, atMs });
    if (job.parent === undefined) store.ended(job);
    else finishParent(job.parent, atMs);
    ended.push(job);
    settle();
  }

  function attemptEnded(job: Job, outcome: AttemptOutcome, attempt: Attempt): void {
    delete job.live;
    job.attempts.push(attempt);
    journal.write({ event: 'attempt', jobId: jobIdOf(job), attempt });
    const stopped = job.stopped ?? (job.parent?.stopped?.how === 'terminate' ? job.parent.stopped : undefined);
    if (outcome.exitCode === 0 && outcome.retriable) finish(job, 'SUCCEEDED', outcome.statusReason, attempt.stoppedAtMs);
    else if (stopped === undefined && isRetried(job.submission.retry, outcome, job.attempts.length)) makeRunnable(job);
    else finish(job, 'FAILED', stopped?.how === 'terminate' ? stopped.reason : outcome.statusReason, attempt.stoppedAtMs);
  }

  function markRunning(job: Job, live: LiveAttempt, atMs: number): void {
    const { taskId, logStreamName } = live;
    job.startedAtMs = atMs;
    if (job.parent !== undefined) job.parent.startedAtMs ??= atMs;
    move(job, 'RUNNING');
    journal.write({ event: 'started', jobId: jobIdOf(job), taskId, ...(logStreamName === undefined ? {} : { logStreamName }), atMs });
  }

  function start(job: Job, environment: string, freeSlot: FreeSlot): void {
    if (isClosed) return;
    if (job.submission.container.overridesLength > overridesLimit) {
      finish(job, 'FAILED', `Container Overrides length must be at most ${overridesLimit}`, nowMs());
      freeSlot();
      return;
    }
    move(job, 'STARTING');
    job.live = startAttempt(setting, job, environment, {
      running(live, atMs) {
        if (!isClosed) markRunning(job, live, atMs);
      },
      ended(outcome, attempt) {
        living.delete(job);
        if (!isClosed) {
          attemptEnded(job, outcome, attempt);
          freeSlot();
        } else if (living.size === 0) closing?.();
      },
    });
    living.set(job, job.live);
  }

  function markStopped(job: Job, how: 'cancel' | 'terminate', reason: string): void {
    // TerminateJob's reason stands over an earlier cancel's, and not the other way round.
    if (isTerminal(job.status) || (job.stopped?.how === 'terminate' && how === 'cancel')) return;
    job.stopped = { how, reason };
  }

  function stop(job: Job, how: 'cancel' | 'terminate', reason: string): void {
    if (isTerminal(job.status)) return;
    // CancelJob leaves alone what runs: it must not shadow the reason that the run then ends for.
    if (how === 'terminate' || job.live === undefined) {
      markStopped(job, how, reason);
      journal.write({ event: 'stopped', jobId: jobIdOf(job), how, reason });
    }
    for (const member of [...membersOf(job)]) {
      if (isTerminal(member.status)) continue;
      if (member.live !== undefined) {
        if (how === 'terminate') member.live.stop({ statusReason: reason, retriable: false }, 'politely');
      } else if (how === 'terminate' || member.status !== 'PENDING') finish(member, 'FAILED', reason, nowMs());
    }
  }

  return {
    add,
    release,
    finish,
    attemptEnded,
    markStopped,
    start,
    submit(submission) {
      const job = add(submission);
      journal.write({ event: 'submitted', submission });
      if (setting.scheduleMs > 0) setTimeout(release, setting.scheduleMs, job).unref();
      else setImmediate(release, job);
      return job;
    },
    cancel: (job, reason) => stop(job, 'cancel', reason),
    terminate: (job, reason) => stop(job, 'terminate', reason),
    loseHost(job) {
      let lost = false;
      for (const member of membersOf(job)) {
        if (member.live === undefined) continue;
        member.live.stop(hostLost(), 'at-once');
        lost = true;
      }
      return lost;
    },
    async close() {
      isClosed = true;
      if (living.size === 0) return;
      const allEnded = new Promise<void>((resolve) => {
        closing = resolve;
      });
      for (const live of living.values()) live.stop(hostLost(), 'at-once');
      await allEnded;
    },
  };
}
