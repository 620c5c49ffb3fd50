/**
 * `batchwell demo`: a real scatter on this machine. It is a recipe: bring everything up, make reads, scatter, gather,
 * check against a direct computation, run the same again with other output URLs, take everything down.
 */
import { finalLog, openClient, type Client } from '../../packages/client/client.ts';
import { exitCodes, type ExitCode } from '../errors.ts';
import { startProgress } from '../output/progress.ts';
import { startStack, type Stack } from '../stack/stack.ts';
import { formatCount, formatDuration } from '../output/table.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import { describeStack, tellBroken, untilInterrupted } from '../up.ts';
import { waitForScatter, waitForTask } from '../wait-for-end.ts';
import { countsBetween, openLedgers, type Ledgers } from './ledger.ts';
import { makeShards } from './reads.ts';
import { describeResult, describeRuns, runMeasurements, type RunMeasurements } from './report.ts';
import {
  addReads,
  compareStatistics,
  noReads,
  parseStatistics,
  type ReadStatistics,
} from './statistics.ts';
import { gatherBody, resultUrl, scatterBody, shardUrl, type RunPlaces } from './tasks.ts';

export interface DemoOptions {
  keep?: true;
  tasks: number;
  json?: true;
}

/** About 28 kB a shard: 5.6 MB in 200 of them. */
const READS_PER_SHARD = 100;
const SEED = 20_261_123;
const PUTS_AT_ONCE = 16;

/** Something went otherwise than the demo promises; the sentence says what. */
class DemoFailure extends Error {
  override readonly name = 'DemoFailure';
}

export async function runDemo(options: DemoOptions, terminal: Terminal): Promise<ExitCode> {
  const progress = startProgress(terminal);
  const startedMs = performance.now();
  const stack = await startStack({
    // The demo reads the ledgers of the local AWS, whatever else the environment names.
    environment: {
      ...terminal.environment,
      AWS_ENDPOINT_URL_S3: undefined,
      AWS_ENDPOINT_URL_BATCH: undefined,
    },
    onStep: (step) => progress.show(`${step}…`),
    signal: terminal.interrupted,
  }).finally(() => progress.end());
  printLine(
    terminal.err,
    `Everything is up after ${formatDuration(performance.now() - startedMs)}.`,
  );
  try {
    const broken = await Promise.race([stack.broken, demonstrate(stack, options, terminal)]);
    if (broken !== undefined) {
      tellBroken(broken, terminal);
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

interface Demo {
  stack: Stack;
  client: Client;
  ledgers: Ledgers;
  tasks: number;
  terminal: Terminal;
}

async function demonstrate(
  stack: Stack,
  { tasks, json }: DemoOptions,
  terminal: Terminal,
): Promise<void> {
  if (stack.localAws === undefined)
    throw new Error('The demo was started without the local AWS, whose ledgers it reads.');
  const demo: Demo = {
    stack,
    client: openClient({ url: stack.apiUrl, token: firstToken(terminal) }),
    ledgers: openLedgers(stack.localAws, stack.workerMetricsUrls),
    tasks,
    terminal,
  };
  const places = (run: string): RunPlaces => ({
    shards: `s3://${stack.bucket}/demo/reads`,
    outputs: `s3://${stack.bucket}/demo/${run}`,
  });

  const direct = await putReads(demo, places('first'));
  const first = await runOnce(demo, places('first'), 'first run');
  const result = await readResult(demo, places('first'));
  check(result, direct);
  if (!json)
    printLine(
      terminal.out,
      `\n${describeResult(result)}\n\nEqual to a direct computation over the same reads, all ${result.kmers.size + 5} numbers.\n`,
    );

  printLine(terminal.err, 'The same once more, with other output URLs:');
  const second = await runOnce(demo, places('second'), 'second run');
  check(await readResult(demo, places('second')), direct);
  if (second.cacheHits !== second.tasks)
    throw new DemoFailure(
      `The second run should have been all cache hits, but only ${second.cacheHits} of its ${second.tasks} tasks were.`,
    );
  if (json)
    printJson(terminal, {
      result: { ...result, kmers: Object.fromEntries(result.kmers) },
      first,
      second,
    });
  else printLine(terminal.out, `\n${describeRuns(first, second)}`);
}

/** BATCHWELL_TOKENS holds for the demo's API too; any of them will do. */
const firstToken = ({ environment }: Terminal): string | undefined =>
  /^[^:,]+:([^,]+)/.exec(environment['BATCHWELL_TOKENS'] ?? '')?.[1];

/** Makes the shards and puts them into S3. Returns their statistics, computed on the way. */
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
    progress.show(`making reads: ${shard}/${tasks} shards`);
  }
  await Promise.all(batch);
  progress.end(
    `${formatCount(direct.reads)} reads, ${(bytes / 1e6).toFixed(1)} MB of FASTQ, lie in ${tasks} objects at ${places.shards}/`,
  );
  return direct;
}

/** Scatter, then gather, with all that the local AWS counted meanwhile. */
async function runOnce(
  { client, ledgers, tasks, terminal }: Demo,
  places: RunPlaces,
  title: string,
): Promise<RunMeasurements> {
  const before = await ledgers.read();
  const startedMs = performance.now();
  const { id } = await client.submitScatter(scatterBody(places, tasks));
  const scatter = await waitForScatter(client, id, terminal, title);
  const scatterMs = performance.now() - startedMs;
  if (scatter.places.done !== tasks) throw new DemoFailure(await explainFailedScatter(client, id));

  const gather = await client.submit(gatherBody(places, tasks));
  const gathered = await waitForTask(client, gather.id, terminal, `${title}, gather`);
  const wallMs = performance.now() - startedMs;
  if (gathered.state !== 'COMPLETE')
    throw new DemoFailure(
      `The gather ${gather.id} ended as ${gathered.state}.\n${await explainTask(client, gather.id)}`,
    );

  const cacheHits =
    scatter.cache_hits + (finalLog(gathered)?.metadata?.['cache'] === 'hit' ? 1 : 0);
  const facts = { tasks: tasks + 1, wallMs, scatterMs, gatherMs: wallMs - scatterMs, cacheHits };
  return runMeasurements(facts, countsBetween(before, await ledgers.read()));
}

async function readResult({ stack }: Demo, places: RunPlaces): Promise<ReadStatistics> {
  const body = await stack.objects.get(resultUrl(places));
  if (body === undefined)
    throw new DemoFailure(`${resultUrl(places)} is not there although its task is COMPLETE.`);
  return parseStatistics(body.toString('utf8'));
}

function check(scattered: ReadStatistics, direct: ReadStatistics): void {
  const differences = compareStatistics(scattered, direct);
  if (differences.length > 0)
    throw new DemoFailure(`The gathered result is wrong:\n  ${differences.join('\n  ')}`);
}

/** The first task of the scatter that did not end well, in its own words. */
async function explainFailedScatter(client: Client, id: string): Promise<string> {
  const bad = (
    await Array.fromAsync(client.scatterTasks(id, { view: 'BASIC', page_size: 2047 }))
  ).filter((task) => task.state !== 'COMPLETE');
  const [first] = bad;
  if (first === undefined) return `The scatter ${id} did not end well.`;
  return `${bad.length} tasks of the scatter ${id} did not end well. The first, ${first.id}, is ${first.state}:\n${await explainTask(client, first.id)}`;
}

async function explainTask(client: Client, id: string): Promise<string> {
  const task = await client.get(id, { view: 'FULL' });
  const stderr = await client.logs(id, { stream: 'stderr', executor: 0 }).catch(() => '');
  return [...(finalLog(task)?.system_logs ?? []), stderr.trimEnd()]
    .filter((text) => text !== '')
    .join('\n');
}

async function keepRunning(stack: Stack, terminal: Terminal): Promise<ExitCode> {
  printLine(
    terminal.out,
    `\nStill running:\n${describeStack(stack)}\n\nCtrl-C ends it and leaves nothing behind.`,
  );
  return untilInterrupted(stack, terminal);
}
