/**
 * The AWS requests of a run: the ledgers of the local AWS count all of them, the workers' metrics
 * those of the fleet.
 */

export interface RequestCounts {
  /** Fleet and tasks together, keyed `batch.SubmitJob`, `s3.PutObject`. */
  byOperation: Record<string, number>;
  /** Those of the fleet alone. */
  byFleet: Record<string, number>;
  /** Containers started. */
  starts: number;
}

interface LedgerReply {
  summary: { requests: Record<string, { count: number }>; startsTotal: number };
}

export interface Ledgers {
  read(): Promise<RequestCounts>;
}

export function openLedgers(
  { s3Url, batchUrl }: { s3Url: string; batchUrl: string },
  workerMetricsUrls: readonly string[],
): Ledgers {
  return {
    async read() {
      const [ledgers, metrics] = await Promise.all([
        Promise.all(
          [batchUrl, s3Url].map(
            async (url) => (await (await fetchOk(`${url}/_local/ledger`)).json()) as LedgerReply,
          ),
        ),
        Promise.all(workerMetricsUrls.map(async (url) => (await fetchOk(url)).text())),
      ]);
      const counts = ledgers.flatMap(({ summary }) =>
        Object.entries(summary.requests).map(
          ([operation, { count }]) => [operation, count] as const,
        ),
      );
      return {
        byOperation: Object.fromEntries(counts),
        byFleet: fleetRequests(metrics.join('\n')),
        starts: ledgers.reduce((sum, { summary }) => sum + summary.startsTotal, 0),
      };
    },
  };
}

async function fetchOk(url: string): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}.`);
  return response;
}

/** Sums batchwell_aws_requests_total over codes and workers, from the text of their /metrics. */
export function fleetRequests(metrics: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [, labels = '', value = '0'] of metrics.matchAll(
    /^batchwell_aws_requests_total\{(.*)\} (\d+)$/gm,
  )) {
    // Every series is there from the start, at 0.
    if (value === '0') continue;
    const key = `${label(labels, 'service')}.${label(labels, 'operation')}`;
    counts[key] = (counts[key] ?? 0) + Number(value);
  }
  return counts;
}

const label = (labels: string, name: string): string =>
  new RegExp(`\\b${name}="([^"]*)"`).exec(labels)?.[1] ?? '';

/** The requests between two readings. */
export function countsBetween(before: RequestCounts, after: RequestCounts): RequestCounts {
  return {
    byOperation: grown(before.byOperation, after.byOperation),
    byFleet: grown(before.byFleet, after.byFleet),
    starts: after.starts - before.starts,
  };
}

function grown(
  before: Record<string, number>,
  after: Record<string, number>,
): Record<string, number> {
  const counts = Object.entries(after).map(
    ([operation, count]) => [operation, count - (before[operation] ?? 0)] as const,
  );
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}
