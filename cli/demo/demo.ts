/**
 * This folder is `batchwell demo`, a real scatter on this machine. The demo is a recipe: start
 * everything, make reads, scatter, gather, check against a direct computation, run the same again
 * with other output URLs, stop everything.
 */
import { openClient } from '../../packages/client/client.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { noteStack } from '../local-stacks.ts';
import { startProgress } from '../output/progress.ts';
import { formatCount, formatDuration } from '../output/table.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import { startStack, type Stack } from '../stack.ts';
import { describeStack, reportExit, untilInterrupted } from '../up.ts';
import { DemoFailure } from './failure.ts';
import { openLedgers } from './ledger.ts';
import { runOnce, type RunContext, type RunMeasurements } from './measured-run.ts';
import { makeShards } from './reads.ts';
import {
  describeRequests,
  describeResult,
  describeResultInFull,
  describeRuns,
  NEXT_STEPS,
} from './report.ts';
import {
  addReads,
  compareStatistics,
  noReads,
  parseStatistics,
  type ReadStatistics,
} from './statistics.ts';
import { resultUrl, shardUrl, type RunPlaces } from './tasks.ts';

export interface DemoOptions {
  keep?: true;
  tasks: number;
  json?: true;
  verbose?: true;
}

/** About 28 kB a shard: 5.6 MB in 200 of them. */
const READS_PER_SHARD = 100;
const SEED = 20_261_123;
const PUTS_AT_ONCE = 16;
/** Statistics of a result besides its 6-mers: reads, bases, GC, N and the sum of qualities. */
const OTHER_NUMBERS = 5;

export async function runDemo(options: DemoOptions, terminal: Terminal): Promise<ExitCode> {
  const stack = await startEverything(terminal);
  try {
    const exit = await Promise.race([stack.unexpectedExit, demonstrate(stack, options, terminal)]);
    if (exit !== undefined) {
      reportExit(exit, terminal);
      return exitCodes.failed;
    }
    return options.keep ? await keepRunning(stack, terminal) : exitCodes.ok;
  } catch (error) {
    if (!(error instanceof DemoFailure)) throw error;
    printLine(terminal.err, error.message);
    return exitCodes.failed;
  } finally {
    await stack.stop();
  }
}

async function startEverything(terminal: Terminal): Promise<Stack> {
  const progress = startProgress(terminal);
  const startedMs = performance.now();
  try {
    const stack = await startStack({
      // The demo reads the ledgers of the local AWS, even where the environment names another AWS.
      environment: {
        ...terminal.environment,
        AWS_ENDPOINT_URL_S3: undefined,
        AWS_ENDPOINT_URL_BATCH: undefined,
      },
      onStep: (step) => progress.show(`${step}…`),
      signal: terminal.interrupted,
    });
    const took = formatDuration(performance.now() - startedMs);
    progress.end(
      `Started in ${took}: Redis, MariaDB, a local S3 and Batch, the API and one worker.`,
    );
    return stack;
  } catch (error) {
    progress.end();
    throw error;
  }
}

interface Demo extends RunContext {
  stack: Stack;
}

async function demonstrate(stack: Stack, options: DemoOptions, terminal: Terminal): Promise<void> {
  const demo = openDemo(stack, options, terminal);
  const direct = await putReads(demo, placesOf(demo, 'first'));

  printLine(terminal.err, `First run: a scatter of ${demo.tasks} tasks, and a task that gathers.`);
  const first = await runOnce(demo, placesOf(demo, 'first'));
  const result = await readResult(demo, placesOf(demo, 'first'));
  checkResult(result, direct);
  if (!options.json) printResult(result, options, terminal);

  printLine(terminal.err, 'Second run: the same tasks with other output URLs.');
  const second = await runOnce(demo, placesOf(demo, 'second'));
  checkResult(await readResult(demo, placesOf(demo, 'second')), direct);
  checkCacheHits(second);
  if (options.json) printMeasurements({ result, first, second }, terminal);
  else printComparison({ first, second }, options, terminal);
}

function openDemo(stack: Stack, { tasks }: DemoOptions, terminal: Terminal): Demo {
  if (stack.localAws === undefined)
    throw new Error(
      'The demo needs the local AWS, whose ledgers it reads, but it was not started.',
    );
  return {
    stack,
    client: openClient({ url: stack.apiUrl, token: firstToken(terminal) }),
    ledgers: openLedgers(stack.localAws, stack.workerMetricsUrls),
    tasks,
    terminal,
  };
}

/** BATCHWELL_TOKENS also applies to the demo's API; any of the tokens will do. */
const firstToken = ({ environment }: Terminal): string | undefined =>
  /^[^:,]+:([^,]+)/.exec(environment['BATCHWELL_TOKENS'] ?? '')?.[1];

const placesOf = ({ stack: { bucket } }: Demo, run: 'first' | 'second'): RunPlaces => ({
  shards: `s3://${bucket}/demo/reads`,
  outputs: `s3://${bucket}/demo/${run}`,
});

/**
 * Makes the shards and puts them into S3. Returns their statistics, computed directly on the way.
 */
async function putReads(
  { stack, tasks, terminal }: Demo,
  places: RunPlaces,
): Promise<ReadStatistics> {
  const progress = startProgress(terminal);
  const direct = noReads();
  let bytes = 0;
  let shard = 0;
  let batch: Promise<unknown>[] = [];
  for (const text of makeShards({ shards: tasks, readsPerShard: READS_PER_SHARD, seed: SEED })) {
    terminal.interrupted.throwIfAborted();
    shard += 1;
    bytes += text.length;
    addReads(direct, text);
    batch.push(stack.objects.put(shardUrl(places, shard), text));
    if (batch.length < PUTS_AT_ONCE) continue;
    await Promise.all(batch);
    batch = [];
    progress.show(`Making reads: ${shard}/${tasks} shards`);
  }
  await Promise.all(batch);
  const size = `${formatCount(direct.reads)} sequencing reads (${(bytes / 1e6).toFixed(1)} MB)`;
  progress.end(`Made ${size} in ${tasks} objects at ${places.shards}/.`);
  return direct;
}

async function readResult({ stack }: Demo, places: RunPlaces): Promise<ReadStatistics> {
  const body = await stack.objects.get(resultUrl(places));
  if (body === undefined)
    throw new DemoFailure(`${resultUrl(places)} does not exist although its task is COMPLETE.`);
  return parseStatistics(body.toString('utf8'));
}

function checkResult(scattered: ReadStatistics, direct: ReadStatistics): void {
  const differences = compareStatistics(scattered, direct);
  if (differences.length > 0)
    throw new DemoFailure(`The gathered result is wrong:\n  ${differences.join('\n  ')}`);
}

function checkCacheHits({ cacheHits, tasks }: RunMeasurements): void {
  if (cacheHits !== tasks)
    throw new DemoFailure(
      `All ${tasks} tasks of the second run should have been cache hits, but only ${cacheHits} were.`,
    );
}

function printResult(result: ReadStatistics, { verbose }: DemoOptions, { out }: Terminal): void {
  const numbers = formatCount(result.kmers.size + OTHER_NUMBERS);
  printLine(out, verbose ? `\n${describeResultInFull(result)}\n` : describeResult(result));
  printLine(out, `All ${numbers} numbers equal a direct computation over the same reads.\n`);
}

interface BothRuns {
  first: RunMeasurements;
  second: RunMeasurements;
}

function printComparison(
  { first, second }: BothRuns,
  { verbose, keep }: DemoOptions,
  { out }: Terminal,
): void {
  printLine(out, `All ${second.tasks} tasks were cache hits, and the result is the same.\n`);
  printLine(out, describeRuns(first, second));
  if (verbose) printLine(out, `\n${describeRequests(first, second)}`);
  if (!keep) printLine(out, `\n${NEXT_STEPS}`);
}

function printMeasurements(
  { result, first, second }: BothRuns & { result: ReadStatistics },
  terminal: Terminal,
): void {
  const kmers = Object.fromEntries(result.kmers);
  printJson(terminal, { result: { ...result, kmers }, first, second });
}

async function keepRunning(stack: Stack, terminal: Terminal): Promise<ExitCode> {
  printLine(terminal.out, `\nStill running:\n${describeStack(stack)}\n`);
  printLine(terminal.out, 'Press Ctrl-C to stop all services and delete their data.');
  const forget = await noteStack(stack.apiUrl, stack.environment, stack.folder);
  return untilInterrupted(stack, terminal).finally(forget);
}
