import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createLineLimit } from '../../telemetry/line-limit.ts';
import { createLog } from '../../telemetry/log.ts';

test('thirty warnings of one event are written in a minute, and others are not affected', () => {
  const lines: { msg: string; level: number }[] = [];
  const log = createLog(
    { level: 'info', name: 'test' },
    new Writable({
      write(chunk, _encoding, done) {
        lines.push(JSON.parse(String(chunk)) as (typeof lines)[number]);
        done();
      },
    }),
  );
  for (let at = 0; at < 5000; at += 1) log.child({ stage: 'poll' }).error({ at }, 'worker-error');
  for (let at = 0; at < 100; at += 1) log.info({ at }, 'request');
  log.warn({}, 'redis-away');
  const count = (event: string): number => lines.filter(({ msg }) => msg === event).length;
  expect([count('worker-error'), count('request'), count('redis-away')]).toEqual([30, 100, 1]);
});

test('the lines that were left out are counted when the time has passed, and it begins anew', async () => {
  const { promise, resolve } = Promise.withResolvers<[string, number]>();
  const limit = createLineLimit((event, lines) => resolve([event, lines]), {
    perMinute: 2,
    windowMs: 20,
  });
  expect(Array.from({ length: 5 }, () => limit.admits('a'))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  const alive = setInterval(() => undefined, 1000);
  expect(await promise).toEqual(['a', 3]);
  clearInterval(alive);
  expect(limit.admits('a')).toBe(true);
});
