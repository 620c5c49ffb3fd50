/**
 * Closing that ends even if Redis is down, for which BullMQ and a queued command would wait for
 * ever.
 */
import type { Redis } from 'ioredis';

/**
 * Time for messages in progress: SubmitJob has a timeout of 15 s, and packing an array of 10,000
 * takes seconds.
 */
const IN_PROGRESS_MS = 60_000;
/** Without Redis no message can be finished. Other workers get the messages when Redis is back. */
const WITHOUT_REDIS_MS = 2000;

/**
 * Waits for `closing` for a minute at most, and only 2 s if Redis is down. Its later result is
 * ignored.
 */
export async function closeInTime(closing: Promise<unknown>, redis: Redis): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, redis.status === 'ready' ? IN_PROGRESS_MS : WITHOUT_REDIS_MS);
  });
  await Promise.race([closing.catch(() => undefined), late]);
  clearTimeout(timer);
}
