/** Whether MySQL and Redis answer a process: for /readyz, and as a metric for alerts. */
import { dependencies } from './families/processes.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

type Dependency = (typeof dependencies)[number];

/** A look at MySQL asks on its old connection and on a new one. */
const CHECK_TIMEOUT_MS = 4000;

export interface DependencyStanding {
  up: boolean;
  isReadOnly: boolean;
  /** Why it is not up. */
  reason: string;
}

/** One line for each change, and the metrics. */
export function reportMysql(
  { metrics, log }: { metrics: Metrics; log: Log },
  standing: DependencyStanding,
): void {
  setStanding(metrics, 'mysql', standing);
  if (standing.up) log.info({ event: 'mysql-back' }, 'mysql-back');
  else log.warn({ event: 'mysql-away', error: standing.reason }, 'mysql-away');
}

/** One line for each change, and the metrics. */
export function reportRedis(
  { metrics, log }: { metrics: Metrics; log: Log },
  standing: DependencyStanding,
): void {
  setStanding(metrics, 'redis', standing);
  if (standing.up) log.info({ event: 'redis-back' }, 'redis-back');
  else log.warn({ event: 'redis-away', error: standing.reason }, 'redis-away');
}

function setStanding(
  metrics: Metrics,
  dependency: Dependency,
  { up, isReadOnly }: DependencyStanding,
): void {
  metrics.dependencyUp.set({ dependency }, up ? 1 : 0);
  metrics.dependencyReadOnly.set({ dependency }, isReadOnly ? 1 : 0);
}

/** For each dependency '' if it answers, else the error. Sets the metric. */
export async function checkDependencies(
  checks: Record<Dependency, () => Promise<unknown>>,
  metrics: Metrics,
): Promise<Record<Dependency, string>> {
  const [mysql, redis] = await Promise.all([check(checks.mysql), check(checks.redis)]);
  const errors = { mysql, redis };
  for (const dependency of dependencies)
    metrics.dependencyUp.set({ dependency }, errors[dependency] === '' ? 1 : 0);
  return errors;
}

/** Of the pool of this process, now. */
export function reportConnections(
  metrics: Metrics,
  { used, waitedFor, limit }: { used: number; waitedFor: number; limit: number },
): void {
  metrics.databaseConnections.set({ state: 'used' }, used);
  metrics.databaseConnections.set({ state: 'waited-for' }, waitedFor);
  metrics.databaseConnectionsLimit.set(limit);
}

/** A connection that hangs counts as one that fails. */
async function check(ask: () => Promise<unknown>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${CHECK_TIMEOUT_MS} ms`), CHECK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([ask().then(() => ''), timeout]);
  } catch (error) {
    return error instanceof Error ? error.message || error.name : String(error);
  } finally {
    clearTimeout(timer);
  }
}
