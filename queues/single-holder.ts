/** The right of one process of the fleet to do something, which it keeps by renewing it. */
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';

export interface SingleHolder {
  /** Whether this process has the right for the next `lastsMs`. */
  hold(): Promise<boolean>;
  /** Lets another process have it at once. */
  release(): Promise<void>;
}

const HOLD = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`;

const RELEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
`;

/** Nobody holds it while Redis does not answer. */
export function createSingleHolder(redis: Redis, key: string, lastsMs: number): SingleHolder {
  const holder = randomBytes(9).toString('base64url');
  return {
    hold: async () =>
      redis.status === 'ready' && Number(await redis.eval(HOLD, 1, key, holder, lastsMs)) === 1,
    async release() {
      if (redis.status === 'ready') await redis.eval(RELEASE, 1, key, holder);
    },
  };
}
