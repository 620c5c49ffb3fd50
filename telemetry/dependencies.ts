/** Whether MySQL and Redis answer a process: for /readyz, and as a metric for alerts. */
import type { Metrics } from './metrics.ts';

const dependencies = ['mysql', 'redis'] as const;
type Dependency = (typeof dependencies)[number];

const CHECK_TIMEOUT_MS = 2000;

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
