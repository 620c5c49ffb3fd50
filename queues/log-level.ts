/** The level of the log that an admin asked for, for all processes of a fleet. It ends by itself. */
import type { Redis } from 'ioredis';

const keyOf = (prefix: string): string => `${prefix}:log-level`;

export async function storeLogLevel(
  redis: Redis,
  prefix: string,
  wanted: { level: string; forMs: number },
): Promise<void> {
  await redis.set(keyOf(prefix), wanted.level, 'PX', wanted.forMs);
}

export async function forgetLogLevel(redis: Redis, prefix: string): Promise<void> {
  await redis.del(keyOf(prefix));
}

/** Undefined where nobody asked, or where Redis is away. */
export async function readLogLevel(redis: Redis, prefix: string): Promise<string | undefined> {
  if (redis.status !== 'ready') return undefined;
  return (await redis.get(keyOf(prefix))) ?? undefined;
}
