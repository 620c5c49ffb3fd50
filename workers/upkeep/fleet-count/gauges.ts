/** The gauges and counters of the worker that counts for the fleet. */
import { rateOf } from '../../../core/cost/prices.ts';
import {
  loadByPlace,
  runningShares,
  tasksByOwner,
  waitsByQueue,
  type FleetRows,
} from '../../../core/fleet/load.ts';
import { chooseOwners, labelOf, OTHER_OWNERS, sumByOwner } from '../../../core/fleet/owners.ts';
import { stages } from '../../../core/places.ts';
import { countFleet, readAsked } from '../../../db/fleet-count.ts';
import { readRedisMemory, takeUsage, type SentAmount } from '../../../queues/usage.ts';
import type { Runtime } from '../../runtime.ts';

interface FleetGauges {
  count(): Promise<void>;
  /** Another worker counts now: a gauge of a minute ago would look like the present. */
  forget(): void;
}

export function createFleetGauges(runtime: Runtime): FleetGauges {
  const { metrics, database, queues, config } = runtime;
  let named: ReadonlySet<string> = new Set();
  const failures = createFirstFailures(runtime);
  setPrices(runtime);
  return {
    async count() {
      const rows = await countFleet(database.pool);
      setPlaces(runtime, rows);
      setQueues(runtime, rows);
      const tasks = tasksByOwner(rows);
      const chosen = chooseOwners(tasks, named);
      dropOwners(
        runtime,
        [...named].filter((owner) => !chosen.has(owner)),
      );
      named = chosen;
      const owned = [...tasks].map(([owner, count]) => ({ owner, count }));
      for (const [owner, sum] of sumByOwner(owned, named, ({ count }) => count)) {
        metrics.ownerTasks.set({ owner }, sum);
        // They exist before they are counted, so that a rate is right from the first amount on.
        metrics.ownerVcpuSeconds.inc({ owner }, 0);
        metrics.cost.inc({ owner }, 0);
      }
      await setRunning(runtime, rows, named);
      const used = await takeUsage(queues.redis, config.redisPrefix);
      addUsage(runtime, used, named);
      failures.add(used, named);
      const memory = await readRedisMemory(queues.redis);
      metrics.redisMemory.set({ what: 'used' }, memory.used);
      metrics.redisMemory.set({ what: 'maximum' }, memory.maximum);
      metrics.fleetCounted.set(runtime.nowMs() / 1000);
    },
    forget() {
      dropOwners(runtime, [...named]);
      named = new Set();
      metrics.fleetCounted.set(0);
      for (const place of stages) {
        metrics.tasks.set({ place }, 0);
        metrics.tasksOldestSeconds.set({ place }, 0);
      }
      for (const gauge of [
        metrics.ownerTasks,
        metrics.ownerRunning,
        metrics.ownerVcpus,
        metrics.costPerHour,
      ])
        gauge.set({ owner: OTHER_OWNERS }, 0);
      metrics.queueOldestUnstarted.reset();
      metrics.queueHeldUp.reset();
      metrics.redisMemory.set({ what: 'used' }, 0);
      metrics.redisMemory.set({ what: 'maximum' }, 0);
    },
  };
}

function setPrices({ metrics, prices: { onDemand, currency, asOf } }: Runtime): void {
  const priced = { currency, as_of: asOf };
  metrics.pricePerHour.set({ of: 'vcpu', ...priced }, onDemand.vcpuHour);
  metrics.pricePerHour.set({ of: 'gib', ...priced }, onDemand.gibHour);
}

function setPlaces({ metrics, nowMs }: Runtime, rows: FleetRows): void {
  for (const [place, { tasks, oldestSeconds }] of loadByPlace(rows, nowMs())) {
    metrics.tasks.set({ place }, tasks);
    metrics.tasksOldestSeconds.set({ place }, oldestSeconds);
  }
}

/** A queue without open submissions has no series. */
function setQueues({ metrics, nowMs }: Runtime, rows: FleetRows): void {
  metrics.queueOldestUnstarted.reset();
  metrics.queueHeldUp.reset();
  for (const [queue, { oldestSeconds, heldUp }] of waitsByQueue(rows, nowMs())) {
    metrics.queueOldestUnstarted.set({ queue }, oldestSeconds);
    metrics.queueHeldUp.set({ queue }, heldUp);
  }
}

async function setRunning(
  { metrics, database, config, prices }: Runtime,
  rows: FleetRows,
  named: ReadonlySet<string>,
): Promise<void> {
  const ids = new Set(rows.submissions.map(({ jobDefinitionId }) => jobDefinitionId));
  const shares = runningShares(rows, {
    asked: await readAsked(database.pool, [...ids]),
    rateOf: (queue) => rateOf(prices, queue, config),
  });
  for (const [owner, sum] of sumByOwner(shares, named, ({ running }) => running))
    metrics.ownerRunning.set({ owner }, sum);
  for (const [owner, sum] of sumByOwner(shares, named, ({ vcpus }) => vcpus))
    metrics.ownerVcpus.set({ owner }, sum);
  for (const [owner, sum] of sumByOwner(shares, named, ({ costPerHour }) => costPerHour))
    metrics.costPerHour.set({ owner }, sum);
}

function addUsage(
  { metrics }: Runtime,
  amounts: readonly SentAmount[],
  named: ReadonlySet<string>,
): void {
  for (const { kind, owner, amount } of amounts) {
    const label = { owner: labelOf(owner, named) };
    if (kind === 'vcpu-seconds') metrics.ownerVcpuSeconds.inc(label, amount);
    else if (kind === 'cost') metrics.cost.inc(label, amount);
  }
}

const FAILED = 'failed:';

/**
 * A series that begins with its first failures shows no increase. So it begins at 0, and they are
 * added at the next count.
 */
function createFirstFailures({ metrics }: Runtime) {
  const begun = new Set<string>();
  let held: { owner: string; reason: string; amount: number }[] = [];
  return {
    add(amounts: readonly SentAmount[], named: ReadonlySet<string>): void {
      for (const { amount, ...labels } of held) metrics.ownerFailures.inc(labels, amount);
      held = [];
      for (const { kind, owner, amount } of amounts) {
        if (!kind.startsWith(FAILED)) continue;
        const labels = { owner: labelOf(owner, named), reason: kind.slice(FAILED.length) };
        const key = `${labels.reason} ${labels.owner}`;
        const isFirst = !begun.has(key);
        begun.add(key);
        metrics.ownerFailures.inc(labels, isFirst ? 0 : amount);
        if (isFirst) held.push({ ...labels, amount });
      }
    },
  };
}

function dropOwners({ metrics }: Runtime, owners: readonly string[]): void {
  for (const owner of owners) {
    for (const metric of [
      metrics.ownerTasks,
      metrics.ownerRunning,
      metrics.ownerVcpus,
      metrics.costPerHour,
      metrics.ownerVcpuSeconds,
      metrics.cost,
    ])
      metric.remove({ owner });
  }
}
