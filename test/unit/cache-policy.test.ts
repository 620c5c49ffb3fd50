import { describe, expect, test } from 'vitest';
import { allowedMode, isTooOld, maxAgeOf, parseMaxAge } from '../../core/cache/policy.ts';
import { cacheModes } from '../../core/task/task.ts';

const HOUR = 3_600_000;

describe('the switches of the cache', () => {
  const allowed = (owner: string, cacheReadOff: string[], cacheWriteOff: string[]) =>
    cacheModes.map((cache) => allowedMode({ cache, owner }, { cacheReadOff, cacheWriteOff }));

  test('leave every mode as it is for owners that they do not name', () => {
    expect(allowed('ann', [], [])).toEqual([...cacheModes]);
    expect(allowed('ann', ['bob'], ['Ann'])).toEqual([...cacheModes]);
  });

  test.each([['ann'], ['*']])('take reading, writing or both from %s', (named) => {
    expect(allowed('ann', [named], [])).toEqual(['off', 'off', 'write', 'write', 'refresh']);
    expect(allowed('ann', [], [named])).toEqual(['off', 'read', 'off', 'read', 'off']);
    expect(new Set(allowed('ann', [named], [named]))).toEqual(new Set(['off']));
  });
});

describe('the age limit of entries', () => {
  const specWith = (text?: string) => ({
    resources: {
      cpu_cores: 1,
      ram_gb: 1,
      disk_gb: 1,
      preemptible: false,
      ...(text !== undefined && { backend_parameters: { cache_max_age: text } }),
    },
  });

  test('an age is a number of minutes, hours or days', () => {
    expect(['30m', '12h', '90d', '0d'].map(parseMaxAge)).toEqual([
      HOUR / 2,
      12 * HOUR,
      2160 * HOUR,
      0,
    ]);
    for (const wrong of ['', '12', 'h', '-1h', '1.5h', 'PT12H', '12 h', '12H', '1234567d'])
      expect(parseMaxAge(wrong), wrong).toBeUndefined();
  });

  test('the stricter limit of fleet and task counts', () => {
    expect(maxAgeOf(specWith(), { cacheMaxAgeMs: 0 })).toBeUndefined();
    expect(maxAgeOf(specWith('2h'), { cacheMaxAgeMs: 0 })).toBe(2 * HOUR);
    expect(maxAgeOf(specWith('2h'), { cacheMaxAgeMs: HOUR })).toBe(HOUR);
    expect(maxAgeOf(specWith('0d'), { cacheMaxAgeMs: HOUR })).toBe(0);
  });

  test('an entry is too old above the limit, and never without one', () => {
    expect(isTooOld({ createdMs: 0, nowMs: HOUR, maxAgeMs: HOUR })).toBe(false);
    expect(isTooOld({ createdMs: 0, nowMs: HOUR + 1, maxAgeMs: HOUR })).toBe(true);
    expect(isTooOld({ createdMs: 0, nowMs: 1e15, maxAgeMs: undefined })).toBe(false);
  });
});
