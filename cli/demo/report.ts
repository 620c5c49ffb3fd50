/** What the demo prints: the result, and what the two runs took. */
import { formatCount, formatDuration, formatFacts, formatTable } from '../output/table.ts';
import type { RunMeasurements } from './measured-run.ts';
import { topKmers, type ReadStatistics } from './statistics.ts';

/** The result on one line. */
export function describeResult(result: ReadStatistics): string {
  const facts = [
    `${formatCount(result.reads)} reads`,
    `${formatCount(result.bases)} bases`,
    `${percentOf(result, result.gc)} GC`,
    `${percentOf(result, result.ns)} N`,
    `mean quality ${meanQuality(result)}`,
  ];
  return `Result: ${facts.join(', ')}; ${formatCount(result.kmers.size)} different 6-mers.`;
}

/** The result as tables, with the most frequent 6-mers. */
export function describeResultInFull(result: ReadStatistics): string {
  const facts = formatFacts([
    ['reads', formatCount(result.reads)],
    ['bases', formatCount(result.bases)],
    ['GC', percentOf(result, result.gc)],
    ['N', `${formatCount(result.ns)} (${percentOf(result, result.ns)})`],
    ['mean quality', meanQuality(result)],
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

const percentOf = ({ bases }: ReadStatistics, part: number): string =>
  `${((100 * part) / bases).toFixed(2)} %`;
const meanQuality = ({ qualitySum, bases }: ReadStatistics): string =>
  (qualitySum / bases).toFixed(2);

/** Both runs side by side. */
export function describeRuns(first: RunMeasurements, second: RunMeasurements): string {
  const compare = (
    name: string,
    measure: (run: RunMeasurements) => string | number,
  ): [string, string | number, string | number] => [name, measure(first), measure(second)];
  return formatTable(
    [
      { heading: '', value: ([name]) => name },
      { heading: 'FIRST RUN', value: ([, value]) => value },
      { heading: 'SECOND RUN', value: ([, , value]) => value },
    ],
    [
      compare('wall time', ({ wallMs }) => formatDuration(wallMs)),
      compare('containers started', ({ starts }) => starts),
      compare('cache hits', ({ cacheHits }) => cacheHits),
      compare('Batch requests per task, of the fleet', (run) => fleetPerTask(run, 'batch.')),
      compare('S3 requests per task, of the fleet', (run) => fleetPerTask(run, 's3.')),
    ],
  );
}

function fleetPerTask({ fleetRequests, tasks }: RunMeasurements, service: string): string {
  const counts = Object.entries(fleetRequests).filter(([name]) => name.startsWith(service));
  return (counts.reduce((sum, [, count]) => sum + count, 0) / tasks).toFixed(3);
}

/** Every AWS request of both runs, by operation. */
export function describeRequests(first: RunMeasurements, second: RunMeasurements): string {
  const operations = [
    ...new Set([...Object.keys(first.requests), ...Object.keys(second.requests)]),
  ].toSorted();
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

const perTask = (
  { tasks }: RunMeasurements,
  requests: Record<string, number>,
  operation: string,
): string => (countOf(requests, operation) / tasks).toFixed(3);

const countOf = (requests: Record<string, number>, operation: string): number =>
  operation === ALL
    ? Object.values(requests).reduce((sum, count) => sum + count, 0)
    : (requests[operation] ?? 0);

/** A clone runs TypeScript by npm scripts; the package that npm installs is JavaScript. */
const isClone = import.meta.url.endsWith('.ts');
const DEMO = isClone ? 'npm run demo --' : 'npx batchwell demo';
const CLI = isClone ? 'npm run batchwell --' : 'npx batchwell';

const STEPS: readonly (readonly [string, string])[] = [
  [`${DEMO} --keep`, 'keep everything running, with the API docs, queue board and metrics'],
  [`${DEMO} --verbose`, 'also print every AWS request of both runs'],
  [`${CLI} up`, 'run the services for tasks of your own'],
  [`${CLI} --help`, 'list all commands'],
];

export const NEXT_STEPS = `Next:\n${STEPS.map(([command, what]) => `  ${command.padEnd(29)} ${what}`).join('\n')}`;
