/** Closes that end also when Redis is gone: BullMQ and a queued command wait for it for ever. */
import type { Redis } from 'ioredis';

/** Messages in hand may take so long: SubmitJob's answer is awaited 15 s, an array of 10,000 takes seconds to pack. */
const IN_HAND_MS = 60_000;
/** Without Redis nothing in hand can be finished; it is given out again when Redis is back. */
const WITHOUT_REDIS_MS = 2000;

/** Waits for `closing`; when Redis is away, and after a minute, no longer. What comes of it later is nobody's business. */
export async function closeInTime(closing: Promise<unknown>, redis: Redis): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, redis.status === 'ready' ? IN_HAND_MS : WITHOUT_REDIS_MS);
  });
  await Promise.race([closing.catch(() => undefined), late]);
  clearTimeout(timer);
}
