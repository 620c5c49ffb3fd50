/** One attempt of one job: from STARTING until all of its processes have ended. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { FaultKind, FaultState, Faults } from '../faults.ts';
import type { Ledger } from '../ledger.ts';
import {
  jobIdOf,
  MILLISECONDS_PER_SECOND,
  type Attempt,
  type AttemptOutcome,
  type Job,
  type LiveAttempt,
} from './jobs.ts';
import {
  OUT_OF_MEMORY_REASON,
  type Container,
  type Ended,
  type Runner,
  type RunningContainer,
} from './runner.ts';
import { findSecrets } from './secrets.ts';

export interface AttemptSetting {
  runner: Runner;
  ledger: Ledger;
  faults: Faults;
  logFolder: string;
  /** In it are the secrets (secrets.ts), and what is played of EFS and S3 Files. */
  dataFolder: string;
  /** What a job role would give. The job's own environment has priority. */
  jobEnvironment: Record<string, string>;
  /** From STARTING to RUNNING. */
  startMs: number;
  /** Between SIGTERM and SIGKILL. */
  graceMs: number;
  nowMs: () => number;
}

export interface AttemptEvents {
  /** The container was handed to the runner: STARTING becomes RUNNING. */
  running(live: LiveAttempt, atMs: number): void;
  ended(outcome: AttemptOutcome, attempt: Attempt): void;
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;
const ESSENTIAL_EXITED = 'Essential container in task exited';
const FAILED_TO_START = 'Task failed to start';
const START_FAULTS: readonly FaultKind[] = [
  'slow-start',
  'image-pull',
  'spot-loss',
  'out-of-memory',
  'host-fault',
];

export function hostLost(): AttemptOutcome {
  return {
    statusReason: `Host EC2 (instance i-${randomBytes(9).toString('hex').slice(0, 17)}) terminated.`,
    retriable: true,
  };
}

/** In the words that the rule gives: AWS has hundreds of them. */
function hostFault({ statusReason, reason, exitCode }: FaultState): AttemptOutcome {
  return {
    statusReason: statusReason ?? (exitCode === undefined ? FAILED_TO_START : ESSENTIAL_EXITED),
    ...(reason === undefined ? {} : { reason }),
    ...(exitCode === undefined ? {} : { exitCode }),
    retriable: true,
  };
}

function awsVariables(job: Job, attempt: number, environment: string): Record<string, string> {
  const { submission, parent } = job;
  return {
    AWS_BATCH_JOB_ID: jobIdOf(job),
    AWS_BATCH_JOB_ATTEMPT: String(attempt),
    AWS_BATCH_JQ_NAME: submission.queueName,
    AWS_BATCH_CE_NAME: environment,
    ...(parent === undefined
      ? {}
      : {
          AWS_BATCH_JOB_ARRAY_INDEX: String(job.ordinal),
          AWS_BATCH_JOB_ARRAY_SIZE: String(submission.arraySize),
        }),
  };
}

/**
 * `job name[index]#attempt job id`: the text that the `match` of a StartAttempt fault is searched
 * in.
 */
function attemptSubject(job: Job, attempt: number): string {
  const index = job.parent === undefined ? '' : `[${job.ordinal}]`;
  return `${job.submission.jobName}${index}#${attempt} ${jobIdOf(job)}`;
}

function containerOf(
  setting: AttemptSetting,
  job: Job,
  live: LiveAttempt,
  { environment, secrets }: { environment: string; secrets: Record<string, string> },
): Container {
  const { container, jobName } = job.submission;
  return {
    jobId: jobIdOf(job),
    jobName,
    ...(job.parent === undefined ? {} : { arrayIndex: job.ordinal }),
    attempt: live.number,
    taskId: live.taskId,
    image: container.image,
    command: container.command,
    environment: {
      ...setting.jobEnvironment,
      ...container.environment,
      ...secrets,
      ...awsVariables(job, live.number, environment),
    },
    vcpus: container.vcpus,
    memoryMiB: container.memoryMiB,
    mounts: container.mounts.map(({ fileSystem, ...mount }) =>
      fileSystem === undefined
        ? mount
        : { ...mount, hostPath: join(setting.dataFolder, 'file-systems', fileSystem) },
    ),
    ...(container.extras && { extras: container.extras }),
    readonlyRoot: container.readonlyRoot,
    logFile: join(setting.logFolder, `${live.taskId}.log`),
  };
}

function outcomeOf({ exitCode, reason, neverStarted }: Ended): AttemptOutcome {
  return {
    statusReason: neverStarted === true ? FAILED_TO_START : ESSENTIAL_EXITED,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(reason === undefined ? {} : { reason }),
    retriable: true,
  };
}

/** Starts the next attempt of a job that has a slot. Calls `ended` exactly once. */
export function startAttempt(
  setting: AttemptSetting,
  job: Job,
  environment: string,
  events: AttemptEvents,
): LiveAttempt {
  return new AttemptRun(setting, job, environment, events);
}

class AttemptRun implements LiveAttempt {
  readonly number: number;
  readonly taskId = randomBytes(16).toString('hex');
  readonly logStreamName?: string;
  startedAtMs?: number;
  readonly #setting: AttemptSetting;
  readonly #job: Job;
  readonly #environment: string;
  readonly #events: AttemptEvents;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #faults = new Map<FaultKind, FaultState>();
  #running: RunningContainer | undefined;
  /** The outcome that counts, whatever the container then returns. */
  #forced: AttemptOutcome | undefined;
  #isOver = false;

  constructor(setting: AttemptSetting, job: Job, environment: string, events: AttemptEvents) {
    this.#setting = setting;
    this.#job = job;
    this.#environment = environment;
    this.#events = events;
    this.number = job.attempts.length + 1;
    if (setting.runner.keepsLogs)
      this.logStreamName = `${definitionName(job)}/default/${this.taskId}`;
    for (const kind of START_FAULTS) {
      const fault = setting.faults.next('batch', 'StartAttempt', attemptSubject(job, this.number), [
        kind,
      ]);
      if (fault !== undefined) this.#faults.set(kind, fault);
    }
    this.#prepare();
  }

  #after(delayMs: number, act: () => void): void {
    this.#timers.add(setTimeout(act, Math.min(delayMs, LONGEST_TIMER_MS)));
  }

  #prepare(): void {
    const pull = this.#faults.get('image-pull');
    const fault = this.#faults.get('host-fault');
    const delayMs = this.#setting.startMs + (this.#faults.get('slow-start')?.delayMs ?? 0);
    if (pull !== undefined) {
      const { image } = this.#job.submission.container;
      const reason =
        pull.message ??
        'CannotPullContainerError: Error response from daemon: pull access denied for ' +
          `${image}, repository does not exist or may require 'docker login'`;
      this.#after(pull.delayMs ?? 0, () => this.#end({ neverStarted: true, reason }));
    } else if (fault !== undefined && fault.exitCode === undefined) {
      this.#after(fault.delayMs ?? 0, () => {
        this.#forced = hostFault(fault);
        this.#end({});
      });
    } else if (delayMs > 0) this.#after(delayMs, () => this.#begin());
    else setImmediate(() => this.#begin());
  }

  #begin(): void {
    if (this.#isOver || this.#forced !== undefined) return;
    const job = this.#job;
    const found = findSecrets(
      join(this.#setting.dataFolder, 'secrets.json'),
      job.submission.container.extras ?? {},
    );
    if ('reason' in found) {
      this.#end({ neverStarted: true, reason: found.reason });
      return;
    }
    this.startedAtMs = this.#setting.nowMs();
    const detail = job.parent === undefined ? {} : { detail: { index: job.ordinal } };
    this.#setting.ledger.start({
      jobId: jobIdOf(job),
      name: job.submission.jobName,
      attempt: this.number,
      ...detail,
    });
    this.#running = this.#setting.runner.start(
      containerOf(this.#setting, job, this, {
        environment: this.#environment,
        secrets: found.values,
      }),
    );
    this.#events.running(this, this.startedAtMs);
    this.#running.ended.then(
      (ended) => this.#end(ended),
      // A runner must not reject. If one does, this job ends and the server goes on.
      (cause: unknown) => this.#end({ reason: String(cause) }),
    );
    this.#armTimers();
  }

  #armTimers(): void {
    const { timeoutSeconds } = this.#job.submission;
    if (timeoutSeconds !== undefined) {
      this.#after(timeoutSeconds * MILLISECONDS_PER_SECOND, () =>
        this.stop(
          { statusReason: 'Job attempt duration exceeded timeout', retriable: false },
          'politely',
        ),
      );
    }
    const loss = this.#faults.get('spot-loss');
    if (loss !== undefined) this.#after(loss.delayMs ?? 0, () => this.stop(hostLost(), 'at-once'));
    const fault = this.#faults.get('host-fault');
    if (fault !== undefined)
      this.#after(fault.delayMs ?? 0, () => this.stop(hostFault(fault), 'at-once'));
    const memory = this.#faults.get('out-of-memory');
    if (memory !== undefined) {
      this.#after(memory.delayMs ?? 0, () =>
        this.stop(
          {
            statusReason: ESSENTIAL_EXITED,
            reason: OUT_OF_MEMORY_REASON,
            exitCode: 137,
            retriable: true,
          },
          'at-once',
        ),
      );
    }
  }

  stop(outcome: AttemptOutcome, how: 'politely' | 'at-once'): void {
    this.#forced ??= outcome;
    if (this.#running === undefined) setImmediate(() => this.#end({}));
    else this.#running.kill(how === 'politely' ? 'SIGTERM' : 'SIGKILL', this.#setting.graceMs);
  }

  #end(ended: Ended): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const outcome = combine(outcomeOf(ended), this.#forced);
    const { retriable: _, ...shown } = outcome;
    const { startedAtMs, taskId, logStreamName } = this;
    if (startedAtMs !== undefined) {
      const { exitCode, reason = outcome.statusReason } = outcome;
      this.#setting.ledger.end({
        jobId: jobIdOf(this.#job),
        attempt: this.number,
        ...(exitCode === undefined ? {} : { exitCode }),
        reason,
      });
    }
    this.#events.ended(outcome, {
      ...shown,
      stoppedAtMs: this.#setting.nowMs(),
      taskId,
      ...(startedAtMs === undefined ? {} : { startedAtMs }),
      ...(logStreamName === undefined || startedAtMs === undefined ? {} : { logStreamName }),
    });
  }
}

/**
 * A forced outcome counts. Of the container's own outcome only the exit code is kept, if AWS could
 * see it.
 */
function combine(seen: AttemptOutcome, forced: AttemptOutcome | undefined): AttemptOutcome {
  if (forced === undefined) return seen;
  const isHostLoss = forced.retriable && forced.exitCode === undefined;
  return {
    ...(isHostLoss || seen.exitCode === undefined ? {} : { exitCode: seen.exitCode }),
    ...forced,
  };
}

function definitionName(job: Job): string {
  const reference = job.submission.definitionArn;
  return reference.slice(reference.lastIndexOf('/') + 1).split(':')[0] ?? '';
}
