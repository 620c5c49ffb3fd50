/**
 * The scaling signal: one worker of the fleet tells CloudWatch how busy the fleet is, by lines on its
 * standard output. All workers run this loop; the one that holds the lease writes.
 */
import { stages } from '../../core/places.ts';
import { scalingLines, type FleetLoad } from '../../core/scaling-signal.ts';
import { countTasksPerStage } from '../../db/scaling.ts';
import { readClockMs, readJobCounts } from '../../queues/job-counts.ts';
import { createSingleHolder } from '../../queues/single-holder.ts';
import type { Runtime } from '../runtime.ts';
import { startLoop, type Loop } from './loop.ts';

/**
 * Longer than a period, so that a round that is late keeps the lease; another worker takes over
 * within two and a half periods.
 */
const LEASE_PERIODS = 1.5;
/** A queue that nobody has polled for so long is not in use. */
const FORGET_JOBS_MS = 5 * 60_000;

/** Never writes when `scalingSignalSeconds` is 0. */
export function startScalingSignal(runtime: Runtime, write: (text: string) => void): Loop {
  const { scalingSignalSeconds, scalingNamespace: namespace, redisPrefix } = runtime.config;
  if (scalingSignalSeconds === 0) return { close: () => Promise.resolve() };
  const periodMs = scalingSignalSeconds * 1000;
  const lease = createSingleHolder(
    runtime.queues.redis,
    `${redisPrefix}:scaling-signal`,
    Math.ceil(periodMs * LEASE_PERIODS),
  );
  let held = false;
  const loop = startLoop(runtime, { name: 'scaling-signal', pauseMs: periodMs }, async () => {
    const holds = await lease.hold();
    if (holds && !held) runtime.log.info({ periodMs, namespace }, 'scaling-signal-begun');
    held = holds;
    if (held) {
      const atMs = await readClockMs(runtime.queues.redis);
      const lines = scalingLines(await readLoad(runtime), { namespace, atMs });
      write(lines.map((line) => `${line}\n`).join(''));
    }
    return 'pause';
  });
  return {
    async close() {
      await loop.close();
      await lease.release().catch(() => undefined);
    },
  };
}

async function readLoad({ config, database, queues }: Runtime): Promise<FleetLoad> {
  const withinMs = Math.max(FORGET_JOBS_MS, 4 * config.pollSlowestMs);
  const [messages, tasks, jobs] = await Promise.all([
    Promise.all(stages.map(async (stage) => [stage, await queues.depth(stage)] as const)),
    countTasksPerStage(database.pool),
    readJobCounts(queues.redis, config.redisPrefix, withinMs),
  ]);
  return { messages: new Map(messages), tasks, jobs };
}
