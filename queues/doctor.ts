/** What a Redis says of itself, for `batchwell doctor`. */
import type { Redis } from 'ioredis';
import type { RedisFacts } from '../core/doctor/check-redis.ts';
import { stages } from '../core/places.ts';
import { connectImpatientRedis } from './connect.ts';
import { openQueues } from './queues.ts';

export interface SeenRedis extends RedisFacts {
  /** Its clock, epoch ms. */
  nowMs: number;
  /** Requests per second that the fleet allows itself; absent where it has not asked lately. */
  rates: { what: string; perSecond: number }[];
}

const readInfo = (text: string): Record<string, string> =>
  Object.fromEntries(
    text.split(/\r?\n/).flatMap((line) => {
      const at = line.indexOf(':');
      return at > 0 ? [[line.slice(0, at), line.slice(at + 1)]] : [];
    }),
  );

/** Rejects in time where Redis does not answer. */
export async function readRedisFacts(redisUrl: string, prefix: string): Promise<SeenRedis> {
  let trouble: Error | undefined;
  const redis = await connectImpatientRedis(redisUrl, prefix, (error) => (trouble = error));
  try {
    if (redis.status !== 'ready' && trouble) throw trouble;
    const info = readInfo(await redis.info());
    const [seconds = 0, micros = 0] = (await redis.time()).map(Number);
    return {
      info,
      nowMs: seconds * 1000 + Math.floor(micros / 1000),
      rates: await readRates(redis, prefix),
      queues: await readQueues(redisUrl, prefix),
    };
  } finally {
    redis.disconnect();
  }
}

/** The budgets of aws/budget.ts. */
const BUDGETS = { 'AWS Batch': 'batch', SubmitJob: 'batch:SubmitJob' };

async function readRates(redis: Redis, prefix: string): Promise<SeenRedis['rates']> {
  const rates: SeenRedis['rates'] = [];
  for (const [what, key] of Object.entries(BUDGETS)) {
    const rate = await redis.hget(`${prefix}:budget:${key}`, 'rate');
    if (rate !== null) rates.push({ what, perSecond: Number(rate) });
  }
  return rates;
}

async function readQueues(redisUrl: string, prefix: string): Promise<RedisFacts['queues']> {
  const queues = openQueues({ redisUrl, prefix, keepFinishedMs: 0 });
  try {
    return await Promise.all(
      stages.map(async (stage) => {
        const { waiting, failed, oldestMs } = await queues.depth(stage);
        return { stage, waiting, failed, oldestMs };
      }),
    );
  } finally {
    await queues.close();
  }
}
