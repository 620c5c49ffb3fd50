/**
 * Which entries a task may use, beyond being the same call: switches of the fleet and of owners, an age limit, and
 * where the outputs are. Policy only: whether an entry's content is right never depends on these.
 */
import { readsCache, writesCache, type CacheMode, type TaskSpec } from '../task/task.ts';

export interface CacheSwitches {
  /** Owners whose tasks never get hits; `*` is all. */
  cacheReadOff: readonly string[];
  /** Owners whose tasks leave no entries; `*` is all. */
  cacheWriteOff: readonly string[];
}

const names = (owners: readonly string[], owner: string): boolean =>
  owners.includes('*') || owners.includes(owner);

/** What is left of the mode that a task asks for. */
export function allowedMode(
  { cache, owner }: { cache: CacheMode; owner: string },
  { cacheReadOff, cacheWriteOff }: CacheSwitches,
): CacheMode {
  const reads = readsCache(cache) && !names(cacheReadOff, owner);
  const writes = writesCache(cache) && !names(cacheWriteOff, owner);
  if (reads) return writes ? 'readwrite' : 'read';
  if (!writes) return 'off';
  return cache === 'refresh' ? 'refresh' : 'write';
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
export const MAX_AGE_FORM = 'a number of minutes, hours or days, such as 30m, 12h or 90d';

/** In milliseconds; undefined for text of another form. */
export function parseMaxAge(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * (UNIT_MS[unit] ?? 0);
}

/** The stricter of the fleet's limit and the task's own; undefined for none. */
export function maxAgeOf(
  { resources }: Pick<TaskSpec, 'resources'>,
  { cacheMaxAgeMs }: { cacheMaxAgeMs: number },
): number | undefined {
  const own = parseMaxAge(resources.backend_parameters?.['cache_max_age'] ?? '');
  const limits = [
    ...(own === undefined ? [] : [own]),
    ...(cacheMaxAgeMs > 0 ? [cacheMaxAgeMs] : []),
  ];
  return limits.length === 0 ? undefined : limits.reduce((a, b) => Math.min(a, b));
}

/** Why an entry of the same call is not used. */
export type Refusal = 'entry-too-old' | 'entry-elsewhere';

export interface AgeFacts {
  createdMs: number;
  nowMs: number;
  maxAgeMs: number | undefined;
}

export const isTooOld = ({ createdMs, nowMs, maxAgeMs }: AgeFacts): boolean =>
  maxAgeMs !== undefined && nowMs - createdMs > maxAgeMs;
