/**
 * One worker counts for the whole fleet what only the rows know: tasks by place and owner, what runs,
 * what it costs. All workers run this loop; the one that holds the lease counts.
 */
import { createSingleHolder } from '../../../queues/single-holder.ts';
import { sendUsage } from '../../../queues/usage.ts';
import type { Runtime } from '../../runtime.ts';
import { startLoop, type Loop } from '../loop.ts';
import { createFleetGauges } from './gauges.ts';

const ROUNDS_PER_COUNT = 3;
const LONGEST_ROUND_MS = 5000;
/** Another worker takes over within so many rounds. */
const LEASE_ROUNDS = 3;
/** The longest pause between counts, unless the setting is longer. */
const LONGEST_MS = 5 * 60_000;
/** A count that takes long is made less often: it costs MySQL at most a fiftieth of its time. */
const PAUSE_PER_COUNT = 50;

/** After a count that took `tookMs`. */
export const nextCountMs = (tookMs: number, countMs: number): number =>
  Math.max(countMs, Math.min(LONGEST_MS, tookMs * PAUSE_PER_COUNT));

export function startFleetCount(runtime: Runtime): Loop {
  const { queues, config } = runtime;
  const roundMs = Math.min(LONGEST_ROUND_MS, config.fleetCountMs / ROUNDS_PER_COUNT);
  const leaseMs = Math.ceil(roundMs * LEASE_ROUNDS);
  const lease = createSingleHolder(queues.redis, `${config.redisPrefix}:fleet-count`, leaseMs);
  const gauges = createFleetGauges(runtime);
  let held = false;
  let dueMs = 0;
  const send = async (): Promise<void> => {
    if (queues.redis.status === 'ready')
      await sendUsage(queues.redis, config.redisPrefix, runtime.usage.take());
  };
  const loop = startLoop(runtime, { name: 'fleet-count', pauseMs: roundMs }, async () => {
    await send();
    const holds = await lease.hold().catch(() => false);
    if (held && !holds) gauges.forget();
    if (holds && !held) dueMs = 0;
    held = holds;
    if (!held || performance.now() < dueMs) return 'pause';
    const startedMs = performance.now();
    await gauges.count();
    const endedMs = performance.now();
    dueMs = endedMs + nextCountMs(endedMs - startedMs, config.fleetCountMs) - roundMs / 2;
    return 'pause';
  });
  return {
    async close() {
      await loop.close();
      await send().catch(() => undefined);
      await lease.release().catch(() => undefined);
    },
  };
}
