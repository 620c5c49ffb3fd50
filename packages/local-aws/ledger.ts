/**
 * The ledger of the local AWS: the requests it answered and the containers it started. Tests and
 * benchmarks read it instead of guessing from outside ("2 Batch requests for 1,000 tasks", "no task
 * started twice").
 */

export type Service = 's3' | 'batch';

/**
 * One request as it was answered. `status` 0 means that the connection was dropped without an
 * answer.
 */
export interface RequestSeen {
  service: Service;
  operation: string;
  status: number;
  /** AWS's error code, absent when the request succeeded. */
  code?: string;
  durationMs: number;
  detail?: Record<string, unknown>;
}

export interface RequestRecord extends RequestSeen {
  /** Epoch milliseconds at which the request ended. */
  atMs: number;
}

/** One start of a container. An array child has its own job id, `<parent>:<index>`. */
export interface StartSeen {
  jobId: string;
  name: string;
  /** From 1, as AWS_BATCH_JOB_ATTEMPT counts. */
  attempt: number;
  detail?: Record<string, unknown>;
}

export interface EndSeen {
  jobId: string;
  attempt: number;
  exitCode?: number;
  reason?: string;
}

export interface StartRecord extends StartSeen {
  startedAtMs: number;
  endedAtMs?: number;
  exitCode?: number;
  reason?: string;
}

export interface RequestCount {
  count: number;
  /**
   * Answers by error code; `OK` for those that succeeded, `Dropped` for a connection cut without an
   * answer.
   */
  byCode: Record<string, number>;
}

export interface LedgerSummary {
  /** Keyed `${service}.${operation}`. */
  requests: Record<string, RequestCount>;
  requestsTotal: number;
  startsTotal: number;
  endsTotal: number;
  running: number;
  /** Jobs (each array child is one) that were started more than once, including retries. */
  jobsStartedAgain: number;
}

export interface Ledger {
  request(seen: RequestSeen): void;
  start(seen: StartSeen): void;
  /**
   * Ends the start of the same job and attempt. An end without its start is only counted.
   */
  end(seen: EndSeen): void;
  summary(): LedgerSummary;
  /** The newest requests, oldest first; at most `recentLimit`. */
  recent(): RequestRecord[];
  /** Every start since the last reset, in order. */
  starts(): readonly StartRecord[];
  reset(): void;
}

export interface LedgerOptions {
  /** How many of the newest requests are kept whole. Default 1,000. */
  recentLimit?: number;
  nowMs?: () => number;
}

/** A ring: keeping the newest 1,000 of a million requests must not cost a million shifts. */
function createRing<T>(limit: number): { push(item: T): void; list(): T[]; clear(): void } {
  let items: T[] = [];
  let next = 0;
  return {
    push(item) {
      if (items.length < limit) items.push(item);
      else items[next] = item;
      next = (next + 1) % limit;
    },
    list() {
      return items.length < limit ? [...items] : [...items.slice(next), ...items.slice(0, next)];
    },
    clear() {
      items = [];
      next = 0;
    },
  };
}

const attemptKey = (jobId: string, attempt: number) => `${jobId}#${attempt}`;

interface OperationCount {
  count: number;
  byCode: Map<string, number>;
}

function countRequest(counts: Map<string, OperationCount>, seen: RequestSeen): void {
  const key = `${seen.service}.${seen.operation}`;
  const counted = counts.get(key) ?? { count: 0, byCode: new Map<string, number>() };
  const code = seen.code ?? (seen.status === 0 ? 'Dropped' : 'OK');
  counted.count += 1;
  counted.byCode.set(code, (counted.byCode.get(code) ?? 0) + 1);
  counts.set(key, counted);
}

function requestCounts(counts: Map<string, OperationCount>): Record<string, RequestCount> {
  return Object.fromEntries(
    [...counts].map(([key, { count, byCode }]) => [
      key,
      { count, byCode: Object.fromEntries(byCode) },
    ]),
  );
}

/** An empty ledger. It is held in memory: it counts one run of the local AWS. */
export function createLedger({ recentLimit = 1000, nowMs = Date.now }: LedgerOptions = {}): Ledger {
  const ring = createRing<RequestRecord>(Math.max(1, recentLimit));
  const counts = new Map<string, OperationCount>();
  const startsByJob = new Map<string, number>();
  const open = new Map<string, StartRecord>();
  let starts: StartRecord[] = [];
  let requestsTotal = 0;
  let endsTotal = 0;

  return {
    request(seen) {
      requestsTotal += 1;
      countRequest(counts, seen);
      ring.push({ ...seen, atMs: nowMs() });
    },
    start(seen) {
      const record: StartRecord = { ...seen, startedAtMs: nowMs() };
      starts.push(record);
      startsByJob.set(seen.jobId, (startsByJob.get(seen.jobId) ?? 0) + 1);
      open.set(attemptKey(seen.jobId, seen.attempt), record);
    },
    end({ jobId, attempt, exitCode, reason }) {
      endsTotal += 1;
      const record = open.get(attemptKey(jobId, attempt));
      if (record === undefined) return;
      open.delete(attemptKey(jobId, attempt));
      record.endedAtMs = nowMs();
      if (exitCode !== undefined) record.exitCode = exitCode;
      if (reason !== undefined) record.reason = reason;
    },
    summary: () => ({
      requests: requestCounts(counts),
      requestsTotal,
      startsTotal: starts.length,
      endsTotal,
      running: open.size,
      jobsStartedAgain: [...startsByJob.values()].filter((count) => count > 1).length,
    }),
    recent: () => ring.list(),
    starts: () => starts,
    reset() {
      ring.clear();
      counts.clear();
      startsByJob.clear();
      open.clear();
      starts = [];
      requestsTotal = 0;
      endsTotal = 0;
    },
  };
}
