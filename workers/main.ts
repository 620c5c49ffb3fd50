/** A worker process: the stages it is asked to run, a sweeper, a janitor, webhooks and metrics. */
import type { Config } from '../config.ts';
import { stages, type Stage } from '../core/places.ts';
import { requireUsableRedis } from '../queues/shard.ts';
import { createLog, type Log } from '../telemetry/log.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import type { LeaseLost } from '../core/installation/lease.ts';
import { createLeaseKeeper, holdLease, startLeaseLoop, type LeaseKeeper } from './lease.ts';
import { startEventFeed } from './upkeep/batch-events.ts';
import { requireDistinctEtags } from './probe-etags.ts';
import { openRuntime, type Runtime, type RuntimeOptions } from './runtime.ts';
import { serveMetrics } from './metrics-server.ts';
import { startFleetCount } from './upkeep/fleet-count/fleet-count.ts';
import { followLogLevel } from './upkeep/log-level.ts';
import { startJanitor } from './upkeep/janitor.ts';
import { runStage } from './run-stage.ts';
import type { CrashPoint } from './crash-points.ts';
import { startScalingSignal } from './upkeep/scaling-signal.ts';
import { startRetention } from './upkeep/retention/retention.ts';
import { watchPauses } from './upkeep/pauses.ts';
import { startPresence } from './upkeep/presence.ts';
import { startSweeper } from './upkeep/sweeper.ts';
import { startWebhooks } from './upkeep/webhooks/loops.ts';

export interface WorkerOptions {
  /** All of them when absent. */
  stages?: readonly Stage[];
  /** Messages at once per stage; each stage's own number when absent. */
  concurrency?: number;
  log?: Log;
  metrics?: Metrics;
  /** Takes the lines of the scaling signal; standard output when absent. */
  writeSignal?: (text: string) => void;
  /** Ends a start that waits for MySQL or for the lease. */
  stopping?: AbortSignal;
  /** For crash tests: called at each crash point. */
  onCrashPoint?: (point: CrashPoint) => void;
  /** The host's wall clock, which can be wrong. */
  nowMs?: () => number;
  /** Replaces the fleet's clock, for tests that go through days. */
  fleetMs?: () => number;
}

interface Telemetry {
  metrics: Metrics;
  log: Log;
}

export interface Workers {
  readonly runtime: Runtime;
  /** Where /metrics, /healthz and /readyz are. */
  readonly metricsUrl: string;
  /**
   * Takes no new messages, finishes the present ones, closes every connection. A second call waits
   * for the first.
   */
  close(): Promise<void>;
  /** Resolves when the fleet must not act any more: another database holds its lease. */
  readonly lost: Promise<LeaseLost>;
}

/** Starts the stages in this process. Throws when Redis or MySQL cannot serve. */
export async function startWorkers(config: Config, options: WorkerOptions = {}): Promise<Workers> {
  const metrics = options.metrics ?? createMetrics();
  const log = options.log ?? createLog({ level: config.logLevel, name: 'batchwell-worker' });
  const runtime = await openRuntime(runtimeOptions(config, { ...options, metrics, log }));
  try {
    const keeper = await joinFleet(runtime, options.stopping);
    // Before the stages: if the port is taken, the start fails while nothing runs yet.
    const server = await serveMetrics(runtime, config.metricsPort);
    const running = (options.stages ?? stages).map((stage) =>
      runStage(runtime, stage, options.concurrency),
    );
    const { promise: lost, resolve: lose } = Promise.withResolvers<LeaseLost>();
    const polls = options.stages === undefined || options.stages.includes('poll');
    const loops = [
      startLeaseLoop(runtime, keeper, lose),
      startSweeper(runtime),
      startJanitor(runtime),
      followLogLevel(runtime),
      startRetention(runtime),
      startFleetCount(runtime),
      startPresence(runtime, running),
      watchPauses(runtime),
      startScalingSignal(
        runtime,
        options.writeSignal ?? ((text) => void process.stdout.write(text)),
      ),
      ...startWebhooks(runtime),
      ...(polls ? [startEventFeed(runtime)] : []),
    ];
    log.info({ stages: running.map(({ stage }) => stage), metrics: server.url }, 'worker-started');
    const stop = async (): Promise<void> => {
      await Promise.all([...running, ...loops].map((one) => one.close()));
      await server.close();
      await runtime.close();
      log.info({}, 'worker-stopped');
    };
    let stopped: Promise<void> | undefined;
    return { runtime, metricsUrl: server.url, lost, close: () => (stopped ??= stop()) };
  } catch (error) {
    await runtime.close();
    throw error;
  }
}

const runtimeOptions = (
  config: Config,
  { metrics, log, stopping, onCrashPoint, nowMs, fleetMs }: WorkerOptions & Telemetry,
): RuntimeOptions => ({
  config,
  metrics,
  log,
  ...(stopping && { stopping }),
  ...(onCrashPoint && { onCrashPoint }),
  ...(nowMs && { wallMs: nowMs }),
  ...(fleetMs && { nowMs: fleetMs }),
});

/** Everything that must hold before this process acts for the fleet. */
async function joinFleet(
  runtime: Runtime,
  stopping: AbortSignal | undefined,
): Promise<LeaseKeeper> {
  await runtime.clockLearned();
  await requireUsableRedis(runtime.queues.redis);
  await requireNoEviction(runtime);
  await warnWithoutPersistence(runtime);
  const keeper = createLeaseKeeper(runtime);
  await holdLease(runtime, keeper, stopping);
  await requireDistinctEtags(runtime);
  return keeper;
}

/**
 * All messages can be made again from the rows, so a Redis that forgets them at its restart costs
 * only time: up to `stallMs` for each row.
 */
async function warnWithoutPersistence(runtime: Runtime): Promise<void> {
  const setting = async (name: string): Promise<string | undefined> => {
    const answer = await runtime.queues.redis.config('GET', name).catch(() => undefined);
    return Array.isArray(answer) ? String(answer[1]) : undefined;
  };
  const [appendonly, save] = [await setting('appendonly'), await setting('save')];
  if (appendonly === 'no' && save === '')
    runtime.log.warn(
      { appendonly, save, costMs: runtime.config.stallMs },
      'redis-without-persistence',
    );
}

/**
 * A Redis that evicts keys loses queues silently. Where CONFIG is forbidden (some hosted ones), the
 * policy is not known.
 */
async function requireNoEviction(runtime: Runtime): Promise<void> {
  const answer = await runtime.queues.redis
    .config('GET', 'maxmemory-policy')
    .catch(() => undefined);
  const policy = Array.isArray(answer) ? String(answer[1]) : undefined;
  if (policy === undefined) runtime.log.warn({}, 'redis-maxmemory-policy-unknown');
  else if (policy !== 'noeviction')
    throw new Error(
      `Redis has maxmemory-policy ${policy}. ` +
        'Queues need noeviction: otherwise Redis drops messages when its memory is full. ' +
        'Set it with: CONFIG SET maxmemory-policy noeviction',
    );
}
