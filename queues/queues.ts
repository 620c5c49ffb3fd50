/**
 * This folder holds what travels through Redis. Here are the five queues, one per stage, for
 * whoever sends messages.
 */
import { Queue, type Job, type JobsOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import { stages, type Stage } from '../core/places.ts';
import { closeInTime } from './closing.ts';
import { connectRedis } from './connect.ts';
import { fleetTimeBackend } from './fleet-time.ts';
import { deduplicationId, priorityOf, type Nudge } from './messages.ts';
import { mayBeSentAgain } from './primary.ts';
import { watchStanding, type RedisStanding } from './standing.ts';

type QueueByStage = Readonly<Record<Stage, Queue>>;

export interface Queues {
  /** Sends messages in bulk. No worker takes them before `delayMs` has passed. */
  nudge(nudges: readonly Nudge[], delayMs?: number): Promise<void>;
  depth(stage: Stage): Promise<QueueDepth>;
  readonly byStage: QueueByStage;
  readonly redis: Redis;
  /** Since when Redis does not serve, by the clock of `nowMs`; undefined while it does. */
  awaySinceMs(): number | undefined;
  close(): Promise<void>;
}

interface QueueDepth {
  waiting: number;
  delayed: number;
  /** Of the delayed ones, those that a worker of the stage should have taken some time ago. */
  overdue: number;
  active: number;
  failed: number;
  /**
   * How long the first waiting message has waited; 0 if none waits. For a message that was taken
   * before and then delayed, the time since it was taken: those of poll live for days.
   */
  oldestMs: number;
}

/**
 * A message that failed this many times stays in the queue as failed, for operators to see. The
 * sweeper finds its rows either way.
 */
export const TRIES = 5;
const RETRY_MS = 500;

/** Since it was sent or last taken. A requested delay does not count. */
const waitedMs = (job: Job, nowMs: number): number =>
  nowMs - (job.processedOn ?? job.timestamp + (job.opts.delay ?? 0));

export interface QueueOptions {
  redisUrl: string;
  prefix: string;
  keepFinishedMs: number;
  /** The fleet's clock; the host's when absent. */
  nowMs?: () => number;
  /** First pause before a message that failed is tried again; later ones double. */
  retryMs?: number;
  /** Called when Redis is lost, when the loss gets another cause, and when it is back. */
  onChange?: (standing: RedisStanding) => void;
}

export function openQueues(options: QueueOptions): Queues {
  const redis = connectRedis(options.redisUrl, options.prefix);
  const nowMs = options.nowMs ?? Date.now;
  const backend = fleetTimeBackend(nowMs);
  const open = (stage: Stage): Queue =>
    new Queue(stage, { connection: redis, prefix: options.prefix }, backend);
  const byStage = Object.fromEntries(stages.map((stage) => [stage, open(stage)])) as QueueByStage;

  let awayMs: number | undefined;
  watchStanding(redis, Object.values(byStage), (standing) => {
    awayMs = standing.up ? undefined : (awayMs ?? nowMs());
    options.onChange?.(standing);
  });

  return {
    byStage,
    redis,
    awaySinceMs: () => awayMs,
    nudge: (nudges, delayMs = 0) =>
      addMessages(byStage, nudges, {
        delayMs,
        keepFinishedMs: options.keepFinishedMs,
        retryMs: options.retryMs ?? RETRY_MS,
        nowMs: nowMs(),
      }),
    depth: (stage) => depthOf(redis, byStage[stage], nowMs()),
    async close() {
      await closeInTime(
        Promise.all(Object.values(byStage).map((queue) => queue.close())),
        () => redis.status === 'ready',
      );
      redis.disconnect();
    },
  };
}

interface MessageTimes {
  delayMs: number;
  keepFinishedMs: number;
  retryMs: number;
  nowMs: number;
}

async function addMessages(
  byStage: QueueByStage,
  nudges: readonly Nudge[],
  times: MessageTimes,
): Promise<void> {
  const groups = Map.groupBy(nudges, ({ stage }) => stage);
  const jobsOf = (group: readonly Nudge[]) =>
    group.map((nudge) => ({
      name: nudge.stage,
      data: nudge.message,
      opts: jobOptions(nudge, times),
    }));
  await Promise.all(
    [...groups].map(([stage, group]) => sendAgain(() => byStage[stage].addBulk(jobsOf(group)))),
  );
}

const SENDS = 3;

/**
 * In a failover a transaction of messages fails as a whole; its next sending waits for the new
 * primary. A message that arrives twice changes nothing.
 */
async function sendAgain(send: () => Promise<unknown>): Promise<void> {
  for (let left = SENDS; ; left -= 1) {
    try {
      return void (await send());
    } catch (error) {
      if (left <= 1 || !(error instanceof Error && mayBeSentAgain(error))) throw error;
    }
  }
}

function jobOptions(
  nudge: Nudge,
  { delayMs, keepFinishedMs, retryMs, nowMs }: MessageTimes,
): JobsOptions {
  const id = deduplicationId(nudge);
  return {
    timestamp: nowMs,
    attempts: TRIES,
    backoff: { type: 'exponential', delay: retryMs, jitter: 0.5 },
    // Retained messages once filled a Redis and blocked its service. Finished ones are removed
    // soon, failed ones are few.
    removeOnComplete: { age: Math.ceil(keepFinishedMs / 1000), count: 200 },
    removeOnFail: { age: 24 * 3600, count: 1000 },
    ...(delayMs > 0 && { delay: delayMs }),
    ...(priorityOf(nudge) > 0 && { priority: priorityOf(nudge) }),
    // A submission brings a delayed poll of its queue back at once.
    ...(id !== undefined && {
      deduplication: {
        id,
        keepLastIfActive: true,
        ...(nudge.stage === 'poll' && { replace: true }),
      },
    }),
  };
}

/** BullMQ takes delayed messages within seconds of their time. */
const OVERDUE_MS = 15_000;
/** BullMQ keeps delayed messages by their time in ms, with 12 bits for their order. */
const SCORE_PER_MS = 0x1000;

const countOverdue = (redis: Redis, queue: Queue, beforeMs: number): Promise<number> =>
  redis.zcount(queue.toKey('delayed'), 0, beforeMs * SCORE_PER_MS);

async function depthOf(redis: Redis, queue: Queue, nowMs: number): Promise<QueueDepth> {
  const counts = await queue.getJobCounts('waiting', 'prioritized', 'delayed', 'active', 'failed');
  const first = [...(await queue.getWaiting(0, 0)), ...(await queue.getPrioritized(0, 0))];
  return {
    waiting: (counts['waiting'] ?? 0) + (counts['prioritized'] ?? 0),
    delayed: counts['delayed'] ?? 0,
    overdue: await countOverdue(redis, queue, nowMs - OVERDUE_MS),
    active: counts['active'] ?? 0,
    failed: counts['failed'] ?? 0,
    oldestMs: first.map((job) => waitedMs(job, nowMs)).reduce((a, b) => Math.max(a, b), 0),
  };
}
