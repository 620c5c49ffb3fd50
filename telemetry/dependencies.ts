/** Whether MySQL and Redis answer a process: for /readyz, and as a metric for alerts. */
import { dependencies, type Metrics } from './metrics.ts';

type Dependency = (typeof dependencies)[number];

const LONGEST_CHECK_MS = 2000;

/** '' for each that answers, else what is wrong with it. Counts the answers in the metrics. */
export async function checkDependencies(
  looks: Record<Dependency, () => Promise<unknown>>,
  metrics: Metrics,
): Promise<Record<Dependency, string>> {
  const [mysql, redis] = await Promise.all([check(looks.mysql), check(looks.redis)]);
  const wrong = { mysql, redis };
  for (const dependency of dependencies)
    metrics.dependencyUp.set({ dependency }, wrong[dependency] === '' ? 1 : 0);
  return wrong;
}

/** A connection that hangs counts as one that fails. */
async function check(look: () => Promise<unknown>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${LONGEST_CHECK_MS} ms`), LONGEST_CHECK_MS);
  });
  try {
    return await Promise.race([look().then(() => ''), timeout]);
  } catch (error) {
    return error instanceof Error ? error.message || error.name : String(error);
  } finally {
    clearTimeout(timer);
  }
}
