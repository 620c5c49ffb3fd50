/**
 * The job queues that AWS Batch has, for the check of tasks that name one. All are listed at once,
 * so that names which nobody has cost no requests of their own.
 */
import { BatchClient, paginateDescribeJobQueues } from '@aws-sdk/client-batch';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Budget } from './budget.ts';
import { observeRequests } from './observe.ts';

export interface JobQueues {
  /**
   * Those of the names and ARNs that Batch has no queue for. Empty while that cannot be told: the
   * role may lack `batch:DescribeJobQueues`, and Batch may not answer.
   */
  unknownOf(queues: ReadonlySet<string>): Promise<string[]>;
  close(): void;
}

interface JobQueuesOptions {
  budget: Budget;
  metrics: Metrics;
  /** Of any clock. */
  nowMs?: () => number;
  onFailed(error: unknown): void;
}

/** A queue that was listed counts as there for this long. */
const KNOWN_MS = 300_000;
/** A name that was not listed is looked for again, at most this often. */
const LIST_AGAIN_MS = 2000;
/** After a failure, no task is checked for this long. */
const FAILED_MS = 60_000;
/** A caller waits no longer than this; the listing goes on for the next one. */
const LONGEST_WAIT_MS = 2000;
const PAGE = 100;
const GONE: ReadonlySet<string | undefined> = new Set(['DELETING', 'DELETED']);

export function openJobQueues(options: JobQueuesOptions): JobQueues {
  const { budget, metrics, nowMs = () => performance.now() } = options;
  const client = new BatchClient({
    maxAttempts: 2,
    requestHandler: { requestTimeout: 5000, connectionTimeout: 2000, throwOnRequestTimeout: true },
  });
  observeRequests(client, 'batch', metrics);
  let known: ReadonlySet<string> = new Set();
  let listedMs = Number.NEGATIVE_INFINITY;
  let failedMs = Number.NEGATIVE_INFINITY;
  let listing: Promise<void> | undefined;

  const list = async (): Promise<void> => {
    try {
      known = await listQueues(client, budget);
      listedMs = nowMs();
    } catch (error) {
      failedMs = nowMs();
      options.onFailed(error);
    } finally {
      listing = undefined;
    }
  };
  return {
    async unknownOf(queues) {
      const missing = (): string[] => [...queues].filter((queue) => !known.has(queue));
      const isOld = (afterMs: number): boolean => nowMs() - listedMs >= afterMs;
      if (queues.size === 0 || nowMs() - failedMs < FAILED_MS) return [];
      if (!isOld(missing().length > 0 ? LIST_AGAIN_MS : KNOWN_MS)) return missing();
      const askedMs = nowMs();
      await within(LONGEST_WAIT_MS, (listing ??= list()));
      return listedMs >= askedMs ? missing() : [];
    },
    close: () => client.destroy(),
  };
}

async function listQueues(client: BatchClient, budget: Budget): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  await budget.take();
  for await (const { jobQueues = [] } of paginateDescribeJobQueues({ client, pageSize: PAGE }, {}))
    for (const { jobQueueName, jobQueueArn, status } of jobQueues)
      if (!GONE.has(status))
        for (const name of [jobQueueName, jobQueueArn]) if (name !== undefined) found.add(name);
  return found;
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, over]);
  clearTimeout(timer);
}
