/**
 * Stories of failovers made from seeds: Redis and MariaDB, each a primary with its replica, fail over
 * again and again while tasks come in. `npm run test:failover` plays them; `npm test` has the single
 * cases in test/flow/failover-*.test.ts.
 */
import { appendFile } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { startTwoMariadb, startTwoRedis } from '../two-servers.ts';
import { useCrashWorlds } from './crash-world.ts';
import { makeFailoverPlan, playFailovers } from './failover-story.ts';

const count = Number(process.env['BATCHWELL_FAILOVER_SEEDS'] ?? 0);
const from = Number(process.env['BATCHWELL_FAILOVER_FROM'] ?? 1);
const report = process.env['BATCHWELL_FAILOVER_REPORT'];

// Runs after the world's own clean-up: Vitest runs these hooks in reverse order.
let closePairs: (() => Promise<unknown>) | undefined;
afterEach(async () => {
  await closePairs?.();
  closePairs = undefined;
});
const openWorld = useCrashWorlds();

test.skipIf(count === 0).each(Array.from({ length: Math.max(count, 1) }, (_, at) => from + at))(
  'every task of the failovers with seed %i ends exactly once, with effect exactly once',
  async (seed) => {
    const plan = makeFailoverPlan(seed);
    const pairs = { redis: await startTwoRedis(), mysql: await startTwoMariadb() };
    closePairs = () => Promise.all([pairs.redis.close(), pairs.mysql.close()]);
    const keep = { drop: async () => undefined };
    const outcome = await playFailovers(
      await openWorld({
        servers: {
          redis: { ...keep, url: pairs.redis.url, pid: pairs.redis.primaryPid() },
          database: { ...keep, url: pairs.mysql.url },
        },
      }),
      pairs,
      plan,
    );
    expect(outcome.redis + outcome.mysql, JSON.stringify(plan)).toBeGreaterThanOrEqual(
      plan.failovers.length,
    );
    if (report !== undefined) await appendFile(report, `${JSON.stringify({ seed, ...outcome })}\n`);
  },
  180_000,
);
