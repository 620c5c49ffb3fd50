/** The state of the fleet, as all callers see it. It is read at most every few seconds. */
import { hourlyCost, rateOf, type Prices, type Rate } from '../../core/cost/prices.ts';
import {
  loadByPlace,
  runningShares,
  tasksByOwner,
  waitsByQueue,
  type FleetRows,
  type QueueWait,
  type RunningShare,
} from '../../core/fleet/load.ts';
import type { FleetFacts, RecentEnds, StageFacts } from '../../core/fleet/verdict.ts';
import { stages, type Stage } from '../../core/places.ts';
import type { JobCounts } from '../../core/scaling-signal.ts';
import { countFleet, readAsked } from '../../db/fleet-count.ts';
import { readRecentEnds } from '../../db/task-summaries.ts';
import { requireRedis } from '../../queues/connect.ts';
import { listWorkers, SILENT_MS, type SeenWorker } from '../../queues/fleet-workers.ts';
import { readJobCounts } from '../../queues/job-counts.ts';
import { pausedStages } from '../../queues/pauses.ts';
import { messageOf } from '../error-message.ts';
import type { ApiDependencies } from '../dependencies.ts';

export interface FleetState {
  countedMs: number;
  facts: FleetFacts;
  backlog: number;
  ends: RecentEnds;
  jobs: ReadonlyMap<string, JobCounts>;
  queues: ReadonlyMap<string, QueueWait & { tasks: number }>;
  shares: readonly RunningShare[];
  /** Unfinished tasks. */
  byOwner: ReadonlyMap<string, number>;
}

/** Since when tasks count as ended lately. */
const ENDS_WITHIN_MS = 5 * 60_000;
/** A Batch queue that nobody has polled for so long is not in use. */
const JOBS_WITHIN_MS = 5 * 60_000;
const FRESH_MS = 2000;
/** A state that takes long to read is read less often: it costs MySQL a twentieth of its time at most. */
const PAUSE_PER_READ = 20;

type Sources = Pick<ApiDependencies, 'database' | 'queues' | 'config' | 'nowMs'>;

/** Callers that ask meanwhile share one read. Rejects when MySQL does not answer. */
export function createFleetState(sources: Sources, prices: Prices): () => Promise<FleetState> {
  let reading: Promise<FleetState> | undefined;
  let freshUntilMs = 0;
  const read = async (): Promise<FleetState> => {
    const startedMs = performance.now();
    try {
      const state = await readState(sources, prices);
      const endedMs = performance.now();
      freshUntilMs = endedMs + Math.max(FRESH_MS, PAUSE_PER_READ * (endedMs - startedMs));
      return state;
    } catch (error) {
      freshUntilMs = 0;
      throw error;
    }
  };
  return () => {
    if (reading && performance.now() < freshUntilMs) return reading;
    freshUntilMs = Number.POSITIVE_INFINITY;
    reading = read();
    return reading;
  };
}

async function readState(sources: Sources, prices: Prices): Promise<FleetState> {
  const { database, config, nowMs } = sources;
  const [rows, ends, redis] = await Promise.all([
    countFleet(database.pool),
    readRecentEnds(database.pool, ENDS_WITHIN_MS),
    readRedis(sources),
  ]);
  const ids = [...new Set(rows.submissions.map(({ jobDefinitionId }) => jobDefinitionId))];
  const asked = await readAsked(database.pool, ids);
  const rate = (queue: string): Rate => rateOf(prices, queue, config);
  const shares = runningShares(rows, { asked, rateOf: rate });
  const countedMs = nowMs();
  const waits = waitsByQueue(rows, countedMs);
  const ran = Math.round(shares.reduce((sum, share) => sum + share.running, 0));
  const byOwner = tasksByOwner(rows);
  return {
    countedMs,
    backlog: [...byOwner.values()].reduce((sum, tasks) => sum + tasks, 0),
    ends,
    jobs: redis.jobs,
    queues: withTasks(waits, rows),
    shares,
    byOwner,
    facts: {
      stages: stageFacts(rows, { ran, countedMs, redis }),
      running: ran,
      heldUp: [...waits.values()].reduce((sum, { heldUp }) => sum + heldUp, 0),
      silentWorkers: redis.workers.filter(isSilent).map(({ id }) => id),
      redisAway: redis.away,
    },
  };
}

function withTasks(waits: ReadonlyMap<string, QueueWait>, { submissions }: FleetRows) {
  const tasks = new Map<string, number>();
  for (const { queue, open } of submissions) tasks.set(queue, (tasks.get(queue) ?? 0) + open);
  return new Map(
    [...waits].map(([queue, wait]) => [queue, { ...wait, tasks: tasks.get(queue) ?? 0 }]),
  );
}

interface RedisFacts {
  away: string | undefined;
  jobs: Map<string, JobCounts>;
  workers: SeenWorker[];
  paused: Set<Stage>;
  depths: Map<Stage, Awaited<ReturnType<ApiDependencies['queues']['depth']>>>;
}

async function readRedis({ queues, config }: Sources): Promise<RedisFacts> {
  const nothing = { jobs: new Map(), workers: [], paused: new Set<Stage>(), depths: new Map() };
  try {
    // A command would wait until Redis is back.
    await requireRedis(queues.redis);
    const [jobs, workers, paused, depths] = await Promise.all([
      readJobCounts(queues.redis, config.redisPrefix, JOBS_WITHIN_MS),
      listWorkers(queues.redis, config.redisPrefix),
      pausedStages(queues),
      Promise.all(stages.map(async (stage) => [stage, await queues.depth(stage)] as const)),
    ]);
    return { away: undefined, jobs, workers, paused, depths: new Map(depths) };
  } catch (error) {
    return { ...nothing, away: messageOf(error) };
  }
}

export const isSilent = ({ silentMs }: SeenWorker): boolean => silentMs > SILENT_MS;

function stageFacts(
  rows: FleetRows,
  { ran, countedMs, redis }: { ran: number; countedMs: number; redis: RedisFacts },
): StageFacts[] {
  const loads = loadByPlace(rows, countedMs);
  const takers = redis.workers.filter((worker) => !isSilent(worker) && worker.state === 'working');
  return stages.map((stage): StageFacts => {
    const load = loads.get(stage) ?? { tasks: 0, oldestSeconds: 0 };
    const depth = redis.depths.get(stage);
    const shares = takers.flatMap((worker) => worker.stages.filter((one) => one.stage === stage));
    return {
      stage,
      waiting: stage === 'poll' ? Math.max(0, load.tasks - ran) : load.tasks,
      oldestSeconds: load.oldestSeconds,
      messages: depth?.waiting ?? 0,
      messageSeconds: (depth?.oldestMs ?? 0) / 1000,
      laidAside: depth?.failed ?? 0,
      isPaused: redis.paused.has(stage),
      workers: shares.length,
      active: shares.reduce((sum, { active }) => sum + active, 0),
      concurrency: shares.reduce((sum, { concurrency }) => sum + concurrency, 0),
    };
  });
}

/** What the runs that hits saved would have cost. */
export const savedCost = (
  { vcpuMs, gibMs }: { vcpuMs: number; gibMs: number },
  { onDemand }: Prices,
): number => hourlyCost({ vcpus: vcpuMs / HOUR_MS, gib: gibMs / HOUR_MS }, onDemand);

export const HOUR_MS = 3_600_000;
