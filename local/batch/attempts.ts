/** One attempt of one job: from STARTING until nothing of it runs any more. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { FaultKind, FaultState, Faults } from '../faults.ts';
import type { Ledger } from '../ledger.ts';
import type { Attempt, AttemptOutcome, Job, LiveAttempt } from './jobs.ts';
import { jobIdOf, millisecondsPerSecond } from './jobs.ts';
import type { Container, Ended, Runner, RunningContainer } from './runner.ts';
import { outOfMemoryReason } from './runner.ts';

export interface AttemptSetting {
  runner: Runner;
  ledger: Ledger;
  faults: Faults;
  logFolder: string;
  /** What a job role would give: put under the job's own environment. */
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

const longestTimerMs = 2 ** 31 - 1;
const essentialExited = 'Essential container in task exited';
const failedToStart = 'Task failed to start';
const startFaults: readonly FaultKind[] = ['slow-start', 'image-pull', 'spot-loss', 'out-of-memory'];

export function hostLost(): AttemptOutcome {
  return { statusReason: `Host EC2 (instance i-${randomBytes(9).toString('hex').slice(0, 17)}) terminated.`, retriable: true };
}

function awsVariables(job: Job, attempt: number, environment: string): Record<string, string> {
  const { submission, parent } = job;
  return {
    AWS_BATCH_JOB_ID: jobIdOf(job),
    AWS_BATCH_JOB_ATTEMPT: String(attempt),
    AWS_BATCH_JQ_NAME: submission.queueName,
    AWS_BATCH_CE_NAME: environment,
    ...(parent === undefined ? {} : { AWS_BATCH_JOB_ARRAY_INDEX: String(job.ordinal), AWS_BATCH_JOB_ARRAY_SIZE: String(submission.arraySize) }),
  };
}

/** `job name[index]#attempt job id`: what the `match` of a fault on StartAttempt is looked for in. */
export function attemptSubject(job: Job, attempt: number): string {
  const index = job.parent === undefined ? '' : `[${job.ordinal}]`;
  return `${job.submission.jobName}${index}#${attempt} ${jobIdOf(job)}`;
}

function containerOf(setting: AttemptSetting, job: Job, live: LiveAttempt, environment: string): Container {
  const { container, jobName } = job.submission;
  return {
    jobId: jobIdOf(job),
    jobName,
    ...(job.parent === undefined ? {} : { arrayIndex: job.ordinal }),
    attempt: live.number,
    taskId: live.taskId,
    image: container.image,
    command: container.command,
    environment: { ...setting.jobEnvironment, ...container.environment, ...awsVariables(job, live.number, environment) },
    vcpus: container.vcpus,
    memoryMiB: container.memoryMiB,
    mounts: container.mounts,
    readonlyRoot: container.readonlyRoot,
    logFile: join(setting.logFolder, `${live.taskId}.log`),
  };
}

function outcomeOf({ exitCode, reason, neverStarted }: Ended): AttemptOutcome {
  return {
    statusReason: neverStarted === true ? failedToStart : essentialExited,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(reason === undefined ? {} : { reason }),
    retriable: true,
  };
}

/** Starts the next attempt of a job that has a slot. Calls `ended` exactly once. */
export function startAttempt(setting: AttemptSetting, job: Job, environment: string, events: AttemptEvents): LiveAttempt {
  const { runner, ledger, nowMs } = setting;
  const number = job.attempts.length + 1;
  const timers = new Set<NodeJS.Timeout>();
  const after = (delayMs: number, act: () => void) => void timers.add(setTimeout(act, Math.min(delayMs, longestTimerMs)));
  const ask = (kind: FaultKind) => setting.faults.next('batch', 'StartAttempt', attemptSubject(job, number), [kind]);
  const faults = new Map<FaultKind, FaultState>();
  for (const kind of startFaults) {
    const fault = ask(kind);
    if (fault !== undefined) faults.set(kind, fault);
  }
  let running: RunningContainer | undefined;
  let forced: AttemptOutcome | undefined;
  let over = false;

  function end(ended: Ended): void {
    if (over) return;
    over = true;
    for (const timer of timers) clearTimeout(timer);
    // An exit code that came in spite of a lost host would be one that AWS never sees.
    const seen = outcomeOf(ended);
    const isHostLoss = forced?.retriable === true && forced.exitCode === undefined;
    const outcome = forced === undefined ? seen : { ...(isHostLoss || seen.exitCode === undefined ? {} : { exitCode: seen.exitCode }), ...forced };
    const { retriable: _, ...shown } = outcome;
    const { startedAtMs, taskId, logStreamName } = live;
    if (startedAtMs !== undefined) ledger.end({ jobId: jobIdOf(job), attempt: number, ...withoutStatus(outcome) });
    events.ended(outcome, {
      ...shown,
      stoppedAtMs: nowMs(),
      taskId,
      ...(startedAtMs === undefined ? {} : { startedAtMs }),
      ...(logStreamName === undefined || startedAtMs === undefined ? {} : { logStreamName }),
    });
  }

  const live: LiveAttempt = {
    number,
    taskId: randomBytes(16).toString('hex'),
    stop(outcome, how) {
      forced ??= outcome;
      if (running === undefined) setImmediate(end, {});
      else running.kill(how === 'politely' ? 'SIGTERM' : 'SIGKILL', setting.graceMs);
    },
  };
  if (runner.keepsLogs) live.logStreamName = `${definitionName(job)}/default/${live.taskId}`;

  function begin(): void {
    if (over || forced !== undefined) return;
    live.startedAtMs = nowMs();
    ledger.start({ jobId: jobIdOf(job), name: job.submission.jobName, attempt: number, ...(job.parent === undefined ? {} : { detail: { index: job.ordinal } }) });
    running = runner.start(containerOf(setting, job, live, environment));
    events.running(live, live.startedAtMs);
    void running.ended.then(end);
    const { timeoutSeconds } = job.submission;
    if (timeoutSeconds !== undefined) {
      after(timeoutSeconds * millisecondsPerSecond, () => live.stop({ statusReason: 'Job attempt duration exceeded timeout', retriable: false }, 'politely'));
    }
    const loss = faults.get('spot-loss');
    if (loss !== undefined) after(loss.delayMs ?? 0, () => live.stop(hostLost(), 'at-once'));
    const memory = faults.get('out-of-memory');
    if (memory !== undefined) {
      after(memory.delayMs ?? 0, () => live.stop({ statusReason: essentialExited, reason: outOfMemoryReason, exitCode: 137, retriable: true }, 'at-once'));
    }
  }

  const pull = faults.get('image-pull');
  const delayMs = setting.startMs + (faults.get('slow-start')?.delayMs ?? 0);
  if (pull !== undefined) {
    const reason = pull.message ?? `CannotPullContainerError: Error response from daemon: pull access denied for ${job.submission.container.image}, repository does not exist or may require 'docker login'`;
    after(pull.delayMs ?? 0, () => end({ neverStarted: true, reason }));
  } else if (delayMs > 0) after(delayMs, begin);
  else setImmediate(begin);
  return live;
}

function definitionName(job: Job): string {
  const reference = job.submission.definitionArn;
  return reference.slice(reference.lastIndexOf('/') + 1).split(':')[0] ?? '';
}

function withoutStatus({ exitCode, reason, statusReason }: AttemptOutcome): { exitCode?: number; reason: string } {
  return { ...(exitCode === undefined ? {} : { exitCode }), reason: reason ?? statusReason };
}
