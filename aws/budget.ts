/**
 * The request rate of the whole fleet: a token bucket in Redis that every process takes from. A
 * throttled answer halves the rate for all processes. Each second without one restores a twentieth
 * of the limit.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Metrics } from '../telemetry/metrics.ts';

export interface Budget {
  /** Waits until the fleet can send one more request. */
  take(): Promise<void>;
  /** Tells the fleet that AWS answered 429 or 503. */
  slowDown(): Promise<void>;
}

export interface BudgetOptions {
  redis: Redis;
  /** Redis key of the bucket. */
  key: string;
  service: 's3' | 'batch';
  perSecond: number;
  metrics: Metrics;
}

/**
 * Keeps tokens, rate and time in one hash, on the clock of Redis, so that the clocks of workers do
 * not matter. Returns how long to wait, in ms; with 0 the token is taken. A token can be borrowed
 * from the future, so that waiters keep their order and ask only once.
 */
const TAKE = `
local now = redis.call('TIME')
local nowMs = now[1] * 1000 + math.floor(now[2] / 1000)
local limit = tonumber(ARGV[1])
local state = redis.call('HMGET', KEYS[1], 'tokens', 'rate', 'atMs')
local tokens, rate, atMs = tonumber(state[1]) or limit, tonumber(state[2]) or limit, tonumber(state[3]) or nowMs
local passedMs = math.max(0, nowMs - atMs)
rate = math.min(limit, rate + limit / 20 * passedMs / 1000)
tokens = math.min(rate, tokens + rate * passedMs / 1000) - 1
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'rate', tostring(rate), 'atMs', nowMs)
redis.call('PEXPIRE', KEYS[1], 600000)
if tokens >= 0 then return 0 end
return math.ceil(-tokens / rate * 1000)
`;

const SLOW_DOWN = `
local limit = tonumber(ARGV[1])
local rate = tonumber(redis.call('HGET', KEYS[1], 'rate')) or limit
redis.call('HSET', KEYS[1], 'rate', tostring(math.max(1, rate / 2)))
return 0
`;

/** On the connection of the queues a command waits until Redis is back. */
const LONGEST_ASK_MS = 1000;
const AWAY: ReadonlySet<string> = new Set(['close', 'reconnecting', 'end']);

/**
 * A budget that all processes share. If Redis is down, or does not answer within a second, requests
 * are sent without it: the limit of AWS still holds.
 */
export function createBudget({ redis, key, service, perSecond, metrics }: BudgetOptions): Budget {
  const ask = async (script: string): Promise<unknown> => {
    if (AWAY.has(redis.status)) return 0;
    const asked = redis.eval(script, 1, key, perSecond).catch(() => 0);
    return Promise.race([asked, sleep(LONGEST_ASK_MS, 0, { ref: false })]);
  };
  return {
    async take() {
      const waitMs = Number(await ask(TAKE));
      if (waitMs <= 0) return;
      metrics.awsBudgetWaitSeconds.inc({ service }, waitMs / 1000);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    },
    async slowDown() {
      await ask(SLOW_DOWN);
    },
  };
}
