/** The five queues, as those see them who put messages in. */
import { Queue, type Job, type JobsOptions } from 'bullmq';
import { Redis } from 'ioredis';
import { stages, type Stage } from '../core/places.ts';
import { closeInTime } from './closing.ts';
import { deduplicationId, priorityOf, type Nudge } from './messages.ts';

export interface Queues {
  /** Puts messages in, in bulk; `delayMs` is how long they may not be taken. */
  nudge(nudges: readonly Nudge[], delayMs?: number): Promise<void>;
  depth(stage: Stage): Promise<QueueDepth>;
  readonly byStage: Readonly<Record<Stage, Queue>>;
  readonly redis: Redis;
  close(): Promise<void>;
}

export interface QueueDepth {
  waiting: number;
  delayed: number;
  active: number;
  failed: number;
  /**
   * How long the first waiting message has been there; 0 when none waits. A message that was taken before and then put
   * off counts from when it was taken: poll's live for days.
   */
  oldestMs: number;
}

/** BullMQ's blocking commands need a connection that never gives up; everything else of ours may fail and be told. */
export const connectRedis = (url: string): Redis =>
  new Redis(url, { maxRetriesPerRequest: null, enableReadyCheck: true });

/**
 * For commands that must fail at once where the queues' connection would wait for Redis to come back. Resolves after the
 * first try to connect, whichever way it went; errors show in the commands alone.
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

/** Rejects at once when the connection is down: a ping given to it then would wait until it is up. */
export async function pingRedis(redis: Redis): Promise<void> {
  if (redis.status !== 'ready') throw new Error(`the connection is ${redis.status}`);
  await redis.ping();
}

/** After so many failed tries a message is laid aside for a human to see; the sweeper finds its rows either way. */
const TRIES = 5;

/** Since it was put in, or last taken; a delay that was asked for does not count. */
const waitedMs = (job: Job): number =>
  Date.now() - (job.processedOn ?? job.timestamp + (job.opts.delay ?? 0));

export interface QueueOptions {
  redisUrl: string;
  prefix: string;
  keepFinishedMs: number;
  /** Told of every failed connection; without it they are kept quiet, since /readyz and the gauge tell of the outage. */
  onTrouble?: (error: Error) => void;
}

export function openQueues(options: QueueOptions): Queues {
  const redis = connectRedis(options.redisUrl);
  const open = (stage: Stage): Queue =>
    new Queue(stage, { connection: redis, prefix: options.prefix });
  const byStage = Object.fromEntries(stages.map((stage) => [stage, open(stage)])) as Record<
    Stage,
    Queue
  >;

  // Without a listener BullMQ prints every failed reconnect, and ioredis ends the process.
  for (const source of [redis, ...Object.values(byStage)])
    source.on('error', options.onTrouble ?? (() => undefined));

  const jobOptions = (nudge: Nudge, delayMs: number): JobsOptions => {
    const id = deduplicationId(nudge);
    return {
      attempts: TRIES,
      backoff: { type: 'exponential', delay: 500, jitter: 0.5 },
      // Retained messages once filled a Redis and wedged its service: finished ones go soon, failed ones are few.
      removeOnComplete: { age: Math.ceil(options.keepFinishedMs / 1000), count: 200 },
      removeOnFail: { age: 24 * 3600, count: 1000 },
      ...(delayMs > 0 && { delay: delayMs }),
      ...(priorityOf(nudge) > 0 && { priority: priorityOf(nudge) }),
      // A poll that waits because nothing happened is called back at once when something was submitted.
      ...(id !== undefined && {
        deduplication: {
          id,
          keepLastIfActive: true,
          ...(nudge.stage === 'poll' && { replace: true }),
        },
      }),
    };
  };

  return {
    byStage,
    redis,
    async nudge(nudges, delayMs = 0) {
      const groups = Map.groupBy(nudges, ({ stage }) => stage);
      await Promise.all(
        [...groups].map(([stage, group]) =>
          byStage[stage].addBulk(
            group.map((one) => ({
              name: stage,
              data: one.message,
              opts: jobOptions(one, delayMs),
            })),
          ),
        ),
      );
    },
    async depth(stage) {
      const queue = byStage[stage];
      const counts = await queue.getJobCounts(
        'waiting',
        'prioritized',
        'delayed',
        'active',
        'failed',
      );
      const first = [...(await queue.getWaiting(0, 0)), ...(await queue.getPrioritized(0, 0))];
      return {
        waiting: (counts['waiting'] ?? 0) + (counts['prioritized'] ?? 0),
        delayed: counts['delayed'] ?? 0,
        active: counts['active'] ?? 0,
        failed: counts['failed'] ?? 0,
        oldestMs: first.map(waitedMs).reduce((a, b) => Math.max(a, b), 0),
      };
    },
    async close() {
      await closeInTime(Promise.all(Object.values(byStage).map((queue) => queue.close())), redis);
      redis.disconnect();
    },
  };
}
