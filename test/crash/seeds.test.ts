/**
 * Stories made from seeds: several workers with wrong clocks, killed at steps and moments of the seed's choice, under
 * faults of Batch and S3, with Redis emptied and database connections cut. `BATCHWELL_CRASH_SEEDS` and `_FROM` choose
 * how many and from which; a failed story names its seed, and the same seed makes the same plan again.
 */
import { appendFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { useCrashWorld } from './crash-world.ts';
import { makePlan, playPlan } from './story.ts';

const count = Number(process.env['BATCHWELL_CRASH_SEEDS'] ?? 4);
const from = Number(process.env['BATCHWELL_CRASH_FROM'] ?? 1);
const report = process.env['BATCHWELL_CRASH_REPORT'];

const world = useCrashWorld();

test.each(Array.from({ length: count }, (_, at) => from + at))('seed %i: every task ends exactly once, with effect exactly once', async (seed) => {
  const plan = makePlan(seed);
  const disturbed = await playPlan(world.fleet, plan, world.workers);
  expect(disturbed.kills, `workers that were really killed; ${JSON.stringify(plan)}`).toBe(plan.kills.length);
  expect(disturbed.bites, `faults that bit; ${JSON.stringify(plan)}`).toBeGreaterThan(0);
  expect(disturbed.spotLosses, `hosts that were lost; ${JSON.stringify(plan)}`).toBe(plan.spotLosses);
  if (report !== undefined) await appendFile(report, `${JSON.stringify({ seed, ...disturbed, tasks: plan.tasks, emptied: plan.emptyRedis, cut: plan.cutConnections })}\n`);
}, 60_000);
