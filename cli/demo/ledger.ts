/** What the local AWS counted: the requests of fleet and tasks together, by operation. */

export interface RequestCounts {
  /** Keyed `batch.SubmitJob`, `s3.PutObject`. */
  byOperation: Record<string, number>;
  /** Containers started. */
  starts: number;
}

interface LedgerReply {
  summary: { requests: Record<string, { count: number }>; startsTotal: number };
}

export interface Ledgers {
  read(): Promise<RequestCounts>;
}

/** Reads the ledgers of both local servers. */
export function openLedgers({ s3Url, batchUrl }: { s3Url: string; batchUrl: string }): Ledgers {
  return {
    async read() {
      const replies = await Promise.all([batchUrl, s3Url].map(readLedger));
      const counts = replies.flatMap(({ summary }) => Object.entries(summary.requests).map(([operation, { count }]) => [operation, count] as const));
      return { byOperation: Object.fromEntries(counts), starts: replies.reduce((sum, { summary }) => sum + summary.startsTotal, 0) };
    },
  };
}

async function readLedger(url: string): Promise<LedgerReply> {
  const response = await fetch(`${url}/_local/ledger`);
  if (!response.ok) throw new Error(`The ledger of ${url} answered ${response.status}.`);
  return (await response.json()) as LedgerReply;
}

/** What came between two readings. */
export function countsBetween(before: RequestCounts, after: RequestCounts): RequestCounts {
  const operations = Object.entries(after.byOperation).map(([operation, count]) => [operation, count - (before.byOperation[operation] ?? 0)] as const);
  return { byOperation: Object.fromEntries(operations.filter(([, count]) => count > 0)), starts: after.starts - before.starts };
}
