/**
 * Retention: deletes ended tasks and what was made for them, old cache entries, and old sums of objects. One worker of
 * the fleet does it at a time, in short statements with pauses, and a round that was cut off is done again: each step
 * only deletes what nothing needs, whatever was deleted before.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { cutoffsOf, type Cutoffs } from '../../../core/retention.ts';
import type { PrunedRows } from '../../../telemetry/families/pruning.ts';
import type { Runtime } from '../../runtime.ts';
import { startLoop, type Loop } from '../loop.ts';
import { pruneEntries, pruneFingerprints, pruneMemos, retireOldEntries } from './cache.ts';
import type { Pruning } from './pruning.ts';
import { pruneForTasks, pruneTemplates } from './shared.ts';
import { pruneTasks } from './tasks.ts';

/** The worker that prunes keeps the right to by working; should it die, another one takes over after this. */
const LEASE_MS = 60_000;
const SHORTEST_PAUSE_MS = 20;

/** Never prunes when `pruneMs` is 0. */
export function startRetention(runtime: Runtime): Loop {
  const { pruneMs, redisPrefix } = runtime.config;
  if (pruneMs === 0) return { close: () => Promise.resolve() };
  const lease = `${redisPrefix}:retention`;
  return startLoop(runtime, { name: 'retention', pauseMs: pruneMs }, async (stopping) => {
    const { redis } = runtime.queues;
    const leased =
      redis.status === 'ready' &&
      (await redis.set(lease, runtime.nowMs(), 'PX', LEASE_MS, 'NX')) === 'OK';
    if (!leased) return 'pause';
    await prune(runtime, {
      cutoffs: cutoffsOf(runtime.config, runtime.nowMs()),
      stopping,
      onStep: async () => void (await redis.pexpire(lease, LEASE_MS)),
    });
    // The others skip the rest of this interval.
    await redis.pexpire(lease, Math.max(LEASE_MS, Math.ceil(pruneMs * 0.9)));
    return 'pause';
  });
}

export interface PruneRound {
  cutoffs: Cutoffs;
  stopping?: AbortSignal;
  onStep?: () => Promise<void>;
}

class Stopped extends Error {}

/** One round. Returns how many rows were deleted, by kind. */
export async function prune(
  runtime: Runtime,
  { cutoffs, stopping, onStep = () => Promise.resolve() }: PruneRound,
): Promise<Partial<Record<PrunedRows, number>>> {
  const pruned: Partial<Record<PrunedRows, number>> = {};
  const startedMs = performance.now();
  let stepMs = startedMs;
  const pruning: Pruning = {
    runtime,
    cutoffs,
    async done(what, rows) {
      if (rows > 0) pruned[what] = (pruned[what] ?? 0) + rows;
      runtime.metrics.prunedRows.inc({ what }, rows);
      await onStep();
      // As long as the step took, so that at most half of a connection's time goes into this.
      const pauseMs = Math.max(SHORTEST_PAUSE_MS, performance.now() - stepMs);
      await sleep(pauseMs, undefined, stopping && { signal: stopping }).catch(() => undefined);
      if (stopping?.aborted === true) throw new Stopped();
      stepMs = performance.now();
    },
  };
  try {
    await pruneAll(pruning);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  } finally {
    if (Object.keys(pruned).length > 0)
      runtime.log.info({ ...pruned, tookMs: Math.round(performance.now() - startedMs) }, 'pruned');
  }
  return pruned;
}

/** What others name goes after them. */
async function pruneAll(pruning: Pruning): Promise<void> {
  const needed = await pruneTasks(pruning);
  await pruneForTasks(pruning);
  await pruneTemplates(pruning, needed);
  await retireOldEntries(pruning);
  await pruneEntries(pruning, needed);
  await pruneFingerprints(pruning, needed);
  await pruneMemos(pruning);
}
