/**
 * Everything that knows BullMQ's workers: takes the messages of one queue, runs the stage on them,
 * sends what comes next.
 */
import { DelayedError, UnrecoverableError, Worker, type Job } from 'bullmq';
import type { Stage } from '../core/places.ts';
import { isDatabaseAway, messageOf } from '../db/unavailable.ts';
import { readMessage } from '../queues/read-message.ts';
import { closeInTime } from '../queues/closing.ts';
import { BLOCK_SECONDS, connectRedis, RETRY_MS } from '../queues/connect.ts';
import { fleetTimeBackend } from '../queues/fleet-time.ts';
import { TRIES } from '../queues/queues.ts';
import { canProceed, type Runtime } from './runtime.ts';
import { pipeline } from './pipeline.ts';
import { runMessage } from './isolation/run-message.ts';

export interface RunningStage {
  stage: Stage;
  /** Messages that it works on at once, at most. */
  concurrency: number;
  /** Takes no new messages and waits for the present ones. */
  pause(): Promise<void>;
  resume(): void;
  /** Pauses for good. */
  close(): Promise<void>;
}

/** While MySQL is away, messages wait and use none of their tries. */
const AWAY_MS = 1000;

/** Until a message that only a newer version can read is offered to the workers again. */
const NEWER_MS = 10_000;
/** So long a newer worker has time for it. By then the sweeper has sent its rows a message of this version. */
const NEWER_LONGEST_MS = 3_600_000;

/** A message whose worker died is delivered again. Rows are guarded, so many times does no harm. */
const MOST_STALLS = 20;

export function runStage<S extends Stage>(
  runtime: Runtime,
  stage: S,
  concurrency = pipeline[stage].concurrency,
): RunningStage {
  const takeMessages = (takes: boolean): void => {
    runtime.metrics.stageConcurrency.set({ stage }, takes ? concurrency : 0);
    runtime.metrics.stageWorkers.set({ stage }, Number(takes));
  };
  takeMessages(true);
  const connection = connectRedis(runtime.config.redisUrl, runtime.config.redisPrefix);
  const log = runtime.log.child({ stage });
  const worker = new Worker<unknown>(
    stage,
    (job, token) => work(runtime, stage, job, token),
    {
      connection,
      prefix: runtime.config.redisPrefix,
      concurrency,
      maxStalledCount: MOST_STALLS,
      // The lock is renewed while a message is worked on; a worker that died loses it.
      lockDuration: runtime.config.lockMs,
      drainDelay: BLOCK_SECONDS,
      runRetryDelay: RETRY_MS,
      stalledInterval: runtime.config.lockMs,
    },
    fleetTimeBackend(runtime.nowMs),
  );
  worker.on('failed', (job, error) =>
    log.error(
      { messageId: job?.id, tries: job?.attemptsMade, ...namesIn(job?.data), err: error },
      'message-failed',
    ),
  );
  worker.on('error', (error) => log.error({ err: error }, 'worker-error'));
  return {
    stage,
    concurrency,
    async pause() {
      takeMessages(false);
      await worker.pause();
    },
    resume() {
      worker.resume();
      takeMessages(true);
    },
    async close() {
      takeMessages(false);
      await closeInTime(worker.close(), () => connection.status === 'ready' && canProceed(runtime));
      connection.disconnect();
    },
  };
}

const MOST_NAMED = 20;

/** What the message is about: tasks by the keys of their rows, a shape, submissions, or a job queue. */
function namesIn(message: unknown): Record<string, unknown> {
  if (typeof message !== 'object' || message === null) return {};
  const tasks: unknown = 'tasks' in message ? message.tasks : undefined;
  if (!Array.isArray(tasks)) return { ...message };
  return {
    tasks: tasks.slice(0, MOST_NAMED),
    ...(tasks.length > MOST_NAMED && { moreTasks: tasks.length - MOST_NAMED }),
  };
}

async function work<S extends Stage>(
  runtime: Runtime,
  stage: S,
  job: Job<unknown>,
  token: string | undefined,
): Promise<void> {
  const { metrics } = runtime;
  const read = readMessage(stage, job.data);
  if ('newerForm' in read) return leaveToNewer(runtime, stage, job, token);
  if ('malformed' in read) {
    metrics.messages.inc({ stage, outcome: 'error' });
    throw new UnrecoverableError(read.malformed);
  }
  const { message } = read;
  // A delayed message keeps its creation time, which says nothing about its later waits.
  if (job.attemptsStarted === 1)
    metrics.messageWaitSeconds.observe(
      { stage },
      Math.max(0, (job.processedOn ?? 0) - job.timestamp - (job.opts.delay ?? 0)) / 1000,
    );
  metrics.stageActive.inc({ stage });
  const stop = metrics.messageSeconds.startTimer({ stage });
  const delivery = { tries: job.attemptsMade + 1, mostTries: TRIES };
  const outcome = await runMessage(runtime, stage, message, delivery)
    .finally(() => metrics.stageActive.dec({ stage }))
    .catch((error: unknown) => {
      metrics.messages.inc({ stage, outcome: 'error' });
      if (!isDatabaseAway(error)) throw error;
      runtime.log.warn({ stage, messageId: job.id, error: messageOf(error) }, 'message-put-off');
    });
  if (!outcome) return putOff(job, token, AWAY_MS);
  stop();
  metrics.messages.inc({ stage, outcome: outcome.do });
  if (outcome.next && outcome.next.length > 0) await runtime.queues.nudge(outcome.next);
  if (outcome.do === 'done') return;
  return putOff(job, token, outcome.waitMs);
}

/**
 * It uses none of its tries. A message that no newer worker takes in time is laid aside, where
 * operators see it.
 */
async function leaveToNewer(
  { metrics, log, nowMs }: Runtime,
  stage: Stage,
  job: Job<unknown>,
  token: string | undefined,
): Promise<never> {
  const names = { stage, messageId: job.id, ...namesIn(job.data) };
  metrics.newerForms.inc({ of: 'message' });
  if (nowMs() - job.timestamp > NEWER_LONGEST_MS)
    throw new UnrecoverableError(
      'The message is of a newer version, and no worker of that version took it within an hour.',
    );
  if (job.attemptsStarted === 1) log.warn(names, 'message-of-newer-version');
  // A message of this version about the same shape or queue must not wait for it.
  await job.removeDeduplicationKey();
  return putOff(job, token, NEWER_MS);
}

async function putOff(job: Job, token: string | undefined, waitMs: number): Promise<never> {
  // By the host's clock, as BullMQ takes it; queues/fleet-time.ts makes fleet time of it.
  await job.moveToDelayed(Date.now() + waitMs, token);
  throw new DelayedError();
}
