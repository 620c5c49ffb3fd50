/**
 * This folder holds what travels through Redis. Here are the five queues, one per stage, for
 * whoever sends messages.
 */
import { Queue, type Job, type JobsOptions } from 'bullmq';
import { Redis } from 'ioredis';
import { stages, type Stage } from '../core/places.ts';
import { closeInTime } from './closing.ts';
import { deduplicationId, priorityOf, type Nudge } from './messages.ts';

type QueueByStage = Readonly<Record<Stage, Queue>>;

export interface Queues {
  /** Sends messages in bulk. No worker takes them before `delayMs` has passed. */
  nudge(nudges: readonly Nudge[], delayMs?: number): Promise<void>;
  depth(stage: Stage): Promise<QueueDepth>;
  readonly byStage: QueueByStage;
  readonly redis: Redis;
  close(): Promise<void>;
}

interface QueueDepth {
  waiting: number;
  delayed: number;
  active: number;
  failed: number;
  /**
   * How long the first waiting message has waited; 0 if none waits. For a message that was taken
   * before and then delayed, the time since it was taken: those of poll live for days.
   */
  oldestMs: number;
}

/** BullMQ's blocking commands need a connection that never stops retrying. */
export const connectRedis = (url: string): Redis =>
  new Redis(url, { maxRetriesPerRequest: null, enableReadyCheck: true });

/**
 * For commands that must fail at once while Redis is down; on the connection of the queues they
 * would wait. Resolves after the first attempt to connect, successful or not. Errors reject the
 * commands only.
 */
export async function connectImpatientRedis(url: string): Promise<Redis> {
  const redis = new Redis(url, {
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    commandTimeout: 1000,
    lazyConnect: true,
  });
  redis.on('error', () => undefined);
  await redis.connect().catch(() => undefined);
  return redis;
}

/** Rejects at once if the connection is down; a ping would wait until it is up. */
export async function pingRedis(redis: Redis): Promise<void> {
  if (redis.status !== 'ready') throw new Error(`the connection is ${redis.status}`);
  await redis.ping();
}

/**
 * A message that failed this many times stays in the queue as failed, for operators to see. The
 * sweeper finds its rows either way.
 */
export const TRIES = 5;

/** Since it was sent or last taken. A requested delay does not count. */
const waitedMs = (job: Job): number =>
  Date.now() - (job.processedOn ?? job.timestamp + (job.opts.delay ?? 0));

export interface QueueOptions {
  redisUrl: string;
  prefix: string;
  keepFinishedMs: number;
  /**
   * Called for every failed connection. By default they are ignored, because /readyz and the gauge
   * show the outage.
   */
  onTrouble?: (error: Error) => void;
}

export function openQueues(options: QueueOptions): Queues {
  const redis = connectRedis(options.redisUrl);
  const open = (stage: Stage): Queue =>
    new Queue(stage, { connection: redis, prefix: options.prefix });
  const byStage = Object.fromEntries(stages.map((stage) => [stage, open(stage)])) as QueueByStage;

  // Without a listener BullMQ prints every failed reconnect, and ioredis ends the process.
  for (const source of [redis, ...Object.values(byStage)])
    source.on('error', options.onTrouble ?? (() => undefined));

  return {
    byStage,
    redis,
    nudge: (nudges, delayMs = 0) =>
      addMessages(byStage, nudges, { delayMs, keepFinishedMs: options.keepFinishedMs }),
    depth: (stage) => depthOf(byStage[stage]),
    async close() {
      await closeInTime(Promise.all(Object.values(byStage).map((queue) => queue.close())), redis);
      redis.disconnect();
    },
  };
}

interface MessageTimes {
  delayMs: number;
  keepFinishedMs: number;
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
  await Promise.all([...groups].map(([stage, group]) => byStage[stage].addBulk(jobsOf(group))));
}

function jobOptions(nudge: Nudge, { delayMs, keepFinishedMs }: MessageTimes): JobsOptions {
  const id = deduplicationId(nudge);
  return {
    attempts: TRIES,
    backoff: { type: 'exponential', delay: 500, jitter: 0.5 },
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

async function depthOf(queue: Queue): Promise<QueueDepth> {
  const counts = await queue.getJobCounts('waiting', 'prioritized', 'delayed', 'active', 'failed');
  const first = [...(await queue.getWaiting(0, 0)), ...(await queue.getPrioritized(0, 0))];
  return {
    waiting: (counts['waiting'] ?? 0) + (counts['prioritized'] ?? 0),
    delayed: counts['delayed'] ?? 0,
    active: counts['active'] ?? 0,
    failed: counts['failed'] ?? 0,
    oldestMs: first.map(waitedMs).reduce((a, b) => Math.max(a, b), 0),
  };
}
