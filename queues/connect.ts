/**
 * Connections to Redis that recover from a failover. A connection stays open when its server becomes
 * a replica, and would get READONLY for ever; or it is never answered again.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';
import { noteReplica, wasReplica } from './primary.ts';
import { followShard } from './shard.ts';

const LONGEST_RETRY_MS = 1000;

/** BullMQ copies these to the connections that it makes for blocking commands. */
const OPTIONS = {
  connectTimeout: 3000,
  keepAlive: 10_000,
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 10), LONGEST_RETRY_MS),
  // BullMQ's blocking commands wait 10 s at most, so a server that says nothing for longer is gone.
  socketTimeout: 15_000,
  disconnectTimeout: 500,
  maxLoadingRetryTime: 1000,
} satisfies RedisOptions;

/**
 * BullMQ's blocking commands need a connection that never stops retrying.
 * @param prefix of all keys that are used on it
 */
export function connectRedis(url: string, prefix: string): Redis {
  const redis = new Redis(url, {
    ...OPTIONS,
    ...followShard(prefix),
    maxRetriesPerRequest: null,
    enableReadyCheck: true,
  });
  watchRole(redis);
  // A BullMQ worker makes two copies. The one with a name blocks, and BullMQ itself watches over it: a
  // question would wait behind the command that blocks.
  const duplicate = redis.duplicate.bind(redis);
  redis.duplicate = (override) => {
    const copy = duplicate(override);
    if (!override?.connectionName) watchRole(copy);
    return copy;
  };
  return redis;
}

/**
 * Seconds that a worker's blocking command waits for a message. BullMQ opens its connection anew a
 * second later, so this is how long a server that vanished without a word goes unnoticed.
 */
export const BLOCK_SECONDS = 3;

/** How long a worker rests when it could not take a message; BullMQ's own 15 s outlast a failover. */
export const RETRY_MS = 1000;

const IMPATIENCE_MS = 1000;

/**
 * For commands that must fail at once while Redis is down; on the connection of the queues they
 * would wait. Resolves after the first attempt to connect, successful or not, and in time.
 * @param onError is told why there is no connection; commands reject without a reason then
 */
export async function connectImpatientRedis(
  url: string,
  prefix: string,
  onError: (error: Error) => void = () => undefined,
): Promise<Redis> {
  const redis = new Redis(url, {
    ...OPTIONS,
    ...followShard(prefix),
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    commandTimeout: IMPATIENCE_MS,
    lazyConnect: true,
  });
  redis.on('error', onError);
  const connecting = redis.connect().catch(() => undefined);
  await Promise.race([connecting, sleep(2 * IMPATIENCE_MS, undefined, { ref: false })]);
  watchRole(redis);
  return redis;
}

/** The role of the server, or why it is not known. Asks on a connection that is ready only. */
async function askRole(redis: Redis): Promise<string | undefined> {
  try {
    return /^role:(\w+)/m.exec(await redis.info('replication'))?.[1];
  } catch (error) {
    // An ACL can forbid INFO. Then only the errors of commands tell.
    if (error instanceof Error && error.message.startsWith('NOPERM')) return undefined;
    throw error;
  }
}

/** Rejects at once if the connection is down; a ping would wait until it is up. */
export async function pingRedis(redis: Redis): Promise<void> {
  if (redis.status !== 'ready')
    throw new Error(
      wasReplica(redis.options)
        ? 'the server is a replica, not a primary'
        : `the connection is ${redis.status}`,
    );
  if ((await askRole(redis)) !== 'slave') return;
  leaveReplica(redis);
  throw new Error('the server is a replica, not a primary');
}

/** Asks the name again. */
function leaveReplica(redis: Redis): void {
  if (redis.status !== 'ready') return;
  noteReplica(redis.options);
  redis.disconnect(true);
}

/** Rejects if Redis does not answer in time: without that, a hanging one would be waited for. */
export async function requireRedis(redis: Redis): Promise<void> {
  const late = sleep(ANSWER_MS, undefined, { ref: false }).then(() => {
    throw new Error(`no answer within ${ANSWER_MS} ms`);
  });
  await Promise.race([pingRedis(redis), late]);
}

/** Whether the last attempt to connect found a replica. */
export const foundReplica = (redis: Redis): boolean => wasReplica(redis.options);

const WATCH_MS = 2000;
const ANSWER_MS = 2000;

/**
 * Asks every 2 s what the server is. A connection that writes nothing gets no error from a demoted
 * server, and one whose server hangs or vanished gets nothing at all.
 */
function watchRole(redis: Redis): void {
  let asking = false;
  let handshakes = 0;
  const reconnect = (): void => {
    handshakes = 0;
    redis.disconnect(true);
  };
  const look = async (): Promise<void> => {
    const role = await Promise.race([
      askRole(redis).catch(() => undefined),
      // An answer that arrived while the event loop was busy is read in this turn.
      sleep(ANSWER_MS, 'silent', { ref: false }).then((silent) => nextTurn(silent)),
    ]);
    if (role === 'slave') leaveReplica(redis);
    else if (role === 'silent' && redis.status === 'ready') reconnect();
  };
  const timer = setInterval(() => {
    // A server that accepts the connection and does not greet it.
    handshakes = redis.status === 'connect' ? handshakes + 1 : 0;
    if (handshakes > 1) reconnect();
    if (redis.status !== 'ready' || asking) return;
    asking = true;
    void look().finally(() => {
      asking = false;
    });
  }, WATCH_MS);
  timer.unref();
  redis.once('end', () => clearInterval(timer));
}
