/** The fleet's clock against a real database, and queues on it against a real Redis. */
import { Worker } from 'bullmq';
import { afterEach, expect, test } from 'vitest';
import { openDatabase } from '../../db/client.ts';
import { openFleetClock, type FleetClock } from '../../db/fleet-clock.ts';
import { fleetTimeBackend } from '../../queues/fleet-time.ts';
import { connectRedis } from '../../queues/connect.ts';
import { openQueues } from '../../queues/queues.ts';
import { freshDatabase, freshRedis } from '../world.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

const MINUTE_MS = 60_000;

async function openClock(options: {
  wallMs: () => number;
  onSight?: (sight: { skewMs: number; steppedMs?: number }) => void;
}): Promise<FleetClock> {
  const { url } = await freshDatabase();
  const { pool, close } = openDatabase({ url, connections: 2 });
  const clock = openFleetClock({ session: pool, ...options });
  cleanUps.push(close, () => clock.close());
  await clock.learned(10_000);
  return clock;
}

test.each([10, -10])(
  'a host whose wall clock is off by %i minutes gives out the database’s time, and tells the difference',
  async (minutes) => {
    const skews: number[] = [];
    const clock = await openClock({
      wallMs: () => Date.now() + minutes * MINUTE_MS,
      onSight: ({ skewMs }) => skews.push(skewMs),
    });
    expect(Math.abs(clock.nowMs() - Date.now())).toBeLessThan(MINUTE_MS);
    expect(Math.round((skews[0] ?? 0) / MINUTE_MS)).toBe(minutes);
  },
);

test('a wall clock that is set while the process runs changes no time, and the database is asked again', async () => {
  let skewMs = 0;
  const skews: number[] = [];
  const { promise: seen, resolve: see } = Promise.withResolvers<void>();
  const clock = await openClock({
    wallMs: () => Date.now() + skewMs,
    onSight: (sight) => {
      skews.push(sight.skewMs);
      if (sight.skewMs < -MINUTE_MS) see();
    },
  });
  const before = clock.nowMs();
  skewMs = -5 * MINUTE_MS;
  expect(clock.nowMs()).toBeGreaterThanOrEqual(before);
  await seen;
  expect(Math.abs(clock.nowMs() - Date.now())).toBeLessThan(MINUTE_MS);
});

test('a database that does not answer is an error that says so', async () => {
  const { pool, close } = openDatabase({ url: 'mysql://x:y@127.0.0.1:1/none', connections: 1 });
  const troubles: unknown[] = [];
  const clock = openFleetClock({
    session: pool,
    wallMs: () => 7,
    onTrouble: (error) => troubles.push(error),
  });
  cleanUps.push(close, () => clock.close());
  await expect(clock.learned(50)).rejects.toThrow(/MySQL did not tell its time within 0.05 s/);
  expect(troubles.length).toBeGreaterThan(0);
  expect(clock.nowMs(), 'until then the host’s').toBe(7);
});

/** Which of the two clocks is wrong makes no difference to a queue: here it is the fleet's. */
test.each([10, -10])(
  'a message delayed by a second is taken a second later by a host %i minutes off from the fleet',
  async (minutes) => {
    const { url } = await freshRedis();
    const fleetMs = () => Date.now() + minutes * MINUTE_MS;
    const queues = openQueues({ redisUrl: url, prefix: 'p', keepFinishedMs: 1000, nowMs: fleetMs });
    const connection = connectRedis(url, 'p');
    const { promise: taken, resolve: take } = Promise.withResolvers<number>();
    const worker = new Worker(
      'poll',
      async () => take(performance.now()),
      { connection, prefix: 'p' },
      fleetTimeBackend(fleetMs),
    );
    cleanUps.push(
      () => connection.disconnect(),
      () => queues.close(),
      () => worker.close(),
    );
    await worker.waitUntilReady();
    const sentMs = performance.now();
    await queues.nudge([{ stage: 'poll', message: { queue: 'q' } }], 1000);
    const [delayed] = await queues.byStage.poll.getDelayed();
    const aheadMs = (delayed?.timestamp ?? 0) - fleetMs();
    expect(Math.abs(aheadMs), 'stamped in fleet time').toBeLessThan(MINUTE_MS);
    expect((await taken) - sentMs).toBeGreaterThanOrEqual(900);
  },
);
