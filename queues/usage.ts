/** What the processes of a fleet added up by owner, on its way to the worker that counts it. */
import type { Redis } from 'ioredis';

const keyOf = (prefix: string): string => `${prefix}:usage`;

/** Without a worker that takes it, it is not kept for ever. */
const KEEP_SECONDS = 24 * 3600;

const ADD = `
for field, amount in pairs(cjson.decode(ARGV[2])) do
  redis.call('HINCRBYFLOAT', KEYS[1], field, tostring(amount))
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 0
`;

const TAKE = `
local all = redis.call('HGETALL', KEYS[1])
redis.call('DEL', KEYS[1])
return all
`;

/** A field is `kind owner`; a kind has no space. */
export interface SentAmount {
  kind: string;
  owner: string;
  amount: number;
}

export async function sendUsage(
  redis: Redis,
  prefix: string,
  amounts: readonly SentAmount[],
): Promise<void> {
  if (amounts.length === 0) return;
  const fields = Object.fromEntries(
    amounts.map(({ kind, owner, amount }) => [`${kind} ${owner}`, amount]),
  );
  await redis.eval(ADD, 1, keyOf(prefix), KEEP_SECONDS, JSON.stringify(fields));
}

/** All that was sent, once. */
export async function takeUsage(redis: Redis, prefix: string): Promise<SentAmount[]> {
  const flat = (await redis.eval(TAKE, 1, keyOf(prefix))) as string[];
  return flat.flatMap((field, position) => {
    if (position % 2 === 1) return [];
    const space = field.indexOf(' ');
    return [
      {
        kind: field.slice(0, space),
        owner: field.slice(space + 1),
        amount: Number(flat[position + 1]),
      },
    ];
  });
}

/** Of `INFO memory`. The maximum is 0 where Redis has no limit. */
export async function readRedisMemory(redis: Redis): Promise<{ used: number; maximum: number }> {
  const info = await redis.info('memory');
  const valueOf = (name: string): number =>
    Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  return { used: valueOf('used_memory'), maximum: valueOf('maxmemory') };
}
