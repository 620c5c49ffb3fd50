import { S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openLiveLogs, type LiveLogs } from '../../stager/live-logs.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** Records the times of the looks, in seconds, and looks at nothing. */
function watchNothing(longestMs: number): { live: LiveLogs; looks: number[] } {
  const looks: number[] = [];
  const startMs = performance.now();
  const streams = () => {
    looks.push(Math.round((performance.now() - startMs) / 1000));
    return [];
  };
  return {
    looks,
    live: openLiveLogs({
      s3: new S3Client({}),
      log: () => undefined,
      attempt: 1,
      longestMs,
      place: () => ({ bucket: '', key: '' }),
      streams,
    }),
  };
}

test('the first look is 5 s after an executor’s start, then pauses double up to the longest', async () => {
  const { live, looks } = watchNothing(30_000);
  live.lookSoon();
  await vi.advanceTimersByTimeAsync(130_000);
  expect(looks).toEqual([5, 15, 35, 65, 95, 125]);
});

test('the next executor is looked at just as soon, and one that starts at once postpones nothing', async () => {
  const { live, looks } = watchNothing(30_000);
  live.lookSoon();
  await vi.advanceTimersByTimeAsync(4000);
  live.lookSoon();
  await vi.advanceTimersByTimeAsync(66_000);
  expect(looks).toEqual([5, 10, 20, 40, 70]);
  live.lookSoon();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(looks.slice(5)).toEqual([75, 85]);
});

test('a look is never made after the end, or if the longest pause is 0', async () => {
  const [stopped, never] = [watchNothing(30_000), watchNothing(0)];
  stopped.live.lookSoon();
  never.live.lookSoon();
  stopped.live.stop();
  stopped.live.lookSoon();
  await vi.advanceTimersByTimeAsync(130_000);
  expect([stopped.looks, never.looks]).toEqual([[], []]);
});
