/**
 * The worker processes of a fleet: each says every few seconds that it is there, and learns whether
 * an operator drains it. In Redis, by the clock of Redis, because none of it is worth anything after a
 * minute.
 */
import type { Redis } from 'ioredis';
import { isObject } from '../core/is-object.ts';
import { stages, type Stage } from '../core/places.ts';
import { readClockMs } from './job-counts.ts';

export interface WorkerStanding {
  id: string;
  host: string;
  pid: number;
  version: string;
  startedMs: number;
  state: 'working' | 'draining' | 'drained';
  stages: { stage: Stage; active: number; concurrency: number }[];
}

export interface SeenWorker extends WorkerStanding {
  /** How long ago it was last heard of. */
  silentMs: number;
}

const keysOf = (prefix: string): [string, string] => [`${prefix}:workers`, `${prefix}:drained`];

/** A field is `seconds JSON`. Returns 1 while the worker is to take no messages. */
const ANNOUNCE = `
redis.call('HSET', KEYS[1], ARGV[1], redis.call('TIME')[1] .. ' ' .. ARGV[2])
return redis.call('HEXISTS', KEYS[2], ARGV[1])
`;

/** Returns whether an operator drains this worker. */
export async function announceWorker(
  redis: Redis,
  prefix: string,
  { id, ...standing }: WorkerStanding,
): Promise<boolean> {
  const [workers, drains] = keysOf(prefix);
  const answer = await redis.eval(ANNOUNCE, 2, workers, drains, id, JSON.stringify(standing));
  return Number(answer) === 1;
}

/** For a worker that ends. */
export async function forgetWorker(redis: Redis, prefix: string, id: string): Promise<void> {
  await Promise.all(keysOf(prefix).map((key) => redis.hdel(key, id)));
}

/** A worker that says nothing for so long is shown as gone, and later not at all. */
export const SILENT_MS = 20_000;
const FORGET_MS = 3_600_000;

/** Oldest first. */
export async function listWorkers(redis: Redis, prefix: string): Promise<SeenWorker[]> {
  const nowMs = await readClockMs(redis);
  const [key] = keysOf(prefix);
  const workers: SeenWorker[] = [];
  for (const [id, value] of Object.entries(await redis.hgetall(key))) {
    const space = value.indexOf(' ');
    const silentMs = Math.max(0, nowMs - Number(value.slice(0, space)) * 1000);
    if (silentMs > FORGET_MS) await forgetWorker(redis, prefix, id);
    else workers.push({ id, ...readStanding(value.slice(space + 1)), silentMs });
  }
  return workers.toSorted((one, other) => one.startedMs - other.startedMs);
}

const isState = (value: unknown): value is WorkerStanding['state'] =>
  value === 'working' || value === 'draining' || value === 'drained';

/**
 * Workers of a newer version say what they like: what is not understood is left out, and the worker
 * is listed all the same.
 */
function readStanding(json: string): Omit<WorkerStanding, 'id'> {
  const said = fieldsIn(json);
  const text = (name: string): string => (typeof said[name] === 'string' ? said[name] : '?');
  const shares: unknown[] = Array.isArray(said['stages']) ? said['stages'] : [];
  return {
    host: text('host'),
    pid: count(said['pid']),
    version: text('version'),
    startedMs: count(said['startedMs']),
    state: isState(said['state']) ? said['state'] : 'working',
    stages: shares.flatMap((share) => {
      const { stage: named, active, concurrency } = asFields(share);
      const stage = stages.find((one) => one === named);
      return stage ? [{ stage, active: count(active), concurrency: count(concurrency) }] : [];
    }),
  };
}

const count = (value: unknown): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;

const asFields = (value: unknown): Record<string, unknown> => (isObject(value) ? value : {});

function fieldsIn(json: string): Record<string, unknown> {
  try {
    return asFields(JSON.parse(json));
  } catch {
    return {};
  }
}

/** The worker learns it within seconds. False when no such worker was heard of. */
export async function setDrained(
  redis: Redis,
  prefix: string,
  { id, drained }: { id: string; drained: boolean },
): Promise<boolean> {
  const [workers, drains] = keysOf(prefix);
  if ((await redis.hexists(workers, id)) === 0) return false;
  await (drained ? redis.hset(drains, id, '1') : redis.hdel(drains, id));
  return true;
}
