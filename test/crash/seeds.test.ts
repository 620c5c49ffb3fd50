/**
 * Stories made from seeds: several workers with wrong clocks, killed at crash points and moments of
 * the seed's choice, under faults of Batch and S3, with Redis emptied, database connections cut,
 * and Redis and MariaDB killed and restarted. `BATCHWELL_CRASH_SEEDS` and `_FROM` choose how
 * many and from which; a failed story names its seed, and the same seed makes the same plan again.
 */
import { appendFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { useCrashWorlds } from './crash-world.ts';
import { makePlan, playPlan } from './story.ts';

const count = Number(process.env['BATCHWELL_CRASH_SEEDS'] ?? 2);
// Seed 15 takes half a minute, these two some ten seconds.
const from = Number(process.env['BATCHWELL_CRASH_FROM'] ?? 16);
const report = process.env['BATCHWELL_CRASH_REPORT'];

const openWorld = useCrashWorlds();

test.each(Array.from({ length: count }, (_, at) => from + at))(
  'every task of the story with seed %i ends exactly once, with effect exactly once',
  async (seed) => {
    const plan = makePlan(seed);
    const disturbed = await playPlan(
      await openWorld({ killsRedis: plan.killRedis, killsDatabase: plan.killDatabase }),
      plan,
    );
    expect(disturbed.kills, `workers that were really killed; ${JSON.stringify(plan)}`).toBe(
      plan.kills.length,
    );
    expect(disturbed.bites, `faults that bit; ${JSON.stringify(plan)}`).toBeGreaterThan(0);
    expect(disturbed.spotLosses, `hosts that were lost; ${JSON.stringify(plan)}`).toBe(
      plan.spotLosses,
    );
    expect(disturbed.hostFaults, `hosts that failed; ${JSON.stringify(plan)}`).toBe(
      plan.hostFaults[0]?.times ?? 0,
    );
    expect(
      disturbed.restarts,
      `servers that were killed and came back; ${JSON.stringify(plan)}`,
    ).toBe(Number(plan.killRedis) + Number(plan.killDatabase));
    if (report !== undefined)
      await appendFile(
        report,
        `${JSON.stringify({
          seed,
          ...disturbed,
          tasks: plan.tasks,
          emptied: plan.emptyRedis,
          cut: plan.cutConnections,
        })}\n`,
      );
  },
  240_000,
);
