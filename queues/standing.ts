/** Whether a connection to Redis serves, and what happened to it when it does not. */
import type { EventEmitter } from 'node:events';
import type { Redis } from 'ioredis';
import { foundReplica } from './connect.ts';

export interface RedisStanding {
  up: boolean;
  /** Its server answers and is a replica. */
  isReplica: boolean;
  reason: string;
}

/**
 * Calls `onChange` when the connection is lost, when its loss gets another cause, and when it is
 * back: its clients try again every second and fail each time.
 */
export function watchStanding(
  redis: Redis,
  others: readonly Pick<EventEmitter, 'on'>[],
  onChange: (standing: RedisStanding) => void,
): void {
  let was: 'up' | 'away' | 'replica' = 'up';
  let reason = '';
  const change = (is: typeof was): void => {
    if (is === was) return;
    was = is;
    onChange({ up: is === 'up', isReplica: is === 'replica', reason });
  };
  const onError = (error: Error): void => {
    reason = error.message || error.name;
    if (redis.status !== 'ready' && was === 'up') change('away');
  };
  // BullMQ prints an error without a listener to the console, and Node ends the process for it.
  for (const source of [redis, ...others]) source.on('error', onError);
  redis.on('reconnecting', () => {
    const isReplica = foundReplica(redis);
    if (isReplica) reason = 'the server is a replica, not a primary';
    else if (was !== 'away') reason ||= 'the connection was closed';
    change(isReplica ? 'replica' : 'away');
  });
  redis.on('ready', () => {
    reason = '';
    change('up');
  });
}
