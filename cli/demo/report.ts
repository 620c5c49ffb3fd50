/** What the demo prints: the result as a table, then what the two runs took. */
import { formatCount, formatDuration, formatFacts, formatTable } from '../output/table.ts';
import type { RequestCounts } from './ledger.ts';
import { topKmers, type ReadStatistics } from './statistics.ts';

export interface RunMeasurements {
  tasks: number;
  /** From the first request until the gathered result lay in S3. */
  wallMs: number;
  scatterMs: number;
  gatherMs: number;
  cacheHits: number;
  /** Containers started. */
  starts: number;
  /** By operation, fleet and tasks together. */
  requests: Record<string, number>;
  /** By operation, those that the fleet made. */
  fleetRequests: Record<string, number>;
}

export function runMeasurements(
  facts: Omit<RunMeasurements, 'starts' | 'requests' | 'fleetRequests'>,
  counts: RequestCounts,
): RunMeasurements {
  return {
    ...facts,
    starts: counts.starts,
    requests: counts.byOperation,
    fleetRequests: counts.byFleet,
  };
}

export function describeResult(result: ReadStatistics): string {
  const percent = (part: number): string => `${((100 * part) / result.bases).toFixed(2)} %`;
  const facts = formatFacts([
    ['reads', formatCount(result.reads)],
    ['bases', formatCount(result.bases)],
    ['GC', percent(result.gc)],
    ['N', `${formatCount(result.ns)} (${percent(result.ns)})`],
    ['mean quality', (result.qualitySum / result.bases).toFixed(2)],
  ]);
  const kmers = formatTable<[string, number]>(
    [
      { heading: '6-MER', value: ([kmer]) => kmer },
      { heading: 'TIMES', value: ([, times]) => times },
    ],
    topKmers(result, 5),
  );
  return `${facts}\n\n${kmers}`;
}

/** Both runs side by side. */
export function describeRuns(first: RunMeasurements, second: RunMeasurements): string {
  const rows: [string, string | number, string | number][] = [
    ['wall time', formatDuration(first.wallMs), formatDuration(second.wallMs)],
    ['  scatter', formatDuration(first.scatterMs), formatDuration(second.scatterMs)],
    ['  gather', formatDuration(first.gatherMs), formatDuration(second.gatherMs)],
    ['tasks', first.tasks, second.tasks],
    ['cache hits', first.cacheHits, second.cacheHits],
    ['containers started', first.starts, second.starts],
  ];
  const table = formatTable(
    [
      { heading: '', value: ([name]) => name },
      { heading: 'FIRST RUN', value: ([, value]) => value },
      { heading: 'SECOND RUN', value: ([, , value]) => value },
    ],
    rows,
  );
  return `${table}\n\n${describeRequests(first, second)}`;
}

function describeRequests(first: RunMeasurements, second: RunMeasurements): string {
  const operations = [
    ...new Set([...Object.keys(first.requests), ...Object.keys(second.requests)]),
  ].toSorted();
  const perTask = (
    run: RunMeasurements,
    requests: Record<string, number>,
    operation: string,
  ): string => (countOf(requests, operation) / run.tasks).toFixed(3);
  return formatTable(
    [
      { heading: 'AWS REQUESTS', value: (operation) => operation.replace('.', ' ') },
      { heading: 'FIRST RUN', value: (operation) => countOf(first.requests, operation) },
      { heading: 'PER TASK', value: (operation) => perTask(first, first.requests, operation) },
      {
        heading: 'FLEET, PER TASK',
        value: (operation) => perTask(first, first.fleetRequests, operation),
      },
      { heading: 'SECOND RUN', value: (operation) => countOf(second.requests, operation) },
      { heading: 'PER TASK', value: (operation) => perTask(second, second.requests, operation) },
    ],
    [...operations, ALL],
  );
}

const ALL = 'all';

const countOf = (requests: Record<string, number>, operation: string): number =>
  operation === ALL
    ? Object.values(requests).reduce((sum, count) => sum + count, 0)
    : (requests[operation] ?? 0);
