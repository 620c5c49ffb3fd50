/**
 * Jobs of each Batch queue as the worker that polls it last saw them, for a worker that does not
 * poll. In Redis, because they are worth nothing after some minutes, and by the clock of Redis,
 * because those of the workers may differ.
 */
import type { Redis } from 'ioredis';
import type { JobCounts } from '../core/scaling-signal.ts';

const keyOf = (prefix: string): string => `${prefix}:jobs`;

/** A value is `seconds runnable running`. */
const STORE = `
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], table.concat({now[1], ARGV[2], ARGV[3]}, ' '))
return 0
`;

export async function storeJobCounts(
  redis: Redis,
  prefix: string,
  [queue, { runnable, running }]: readonly [string, JobCounts],
): Promise<void> {
  await redis.eval(STORE, 1, keyOf(prefix), queue, runnable, running);
}

/** Those seen in the last `withinMs`. Older ones are deleted: nothing polls their queue. */
export async function readJobCounts(
  redis: Redis,
  prefix: string,
  withinMs: number,
): Promise<Map<string, JobCounts>> {
  const sinceMs = (await readClockMs(redis)) - withinMs;
  const counts = new Map<string, JobCounts>();
  for (const [queue, value] of Object.entries(await redis.hgetall(keyOf(prefix)))) {
    const [seconds = 0, runnable = 0, running = 0] = value.split(' ').map(Number);
    if (seconds * 1000 >= sinceMs) counts.set(queue, { runnable, running });
    else await redis.hdel(keyOf(prefix), queue);
  }
  return counts;
}

/** The one clock of a fleet's processes, in epoch milliseconds. */
export async function readClockMs(redis: Redis): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
}
