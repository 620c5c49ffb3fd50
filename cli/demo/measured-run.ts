/** One run of the demo's scatter and gather, with the requests and starts that the local AWS counted. */
import { finalLog, type Client } from '../../packages/client/client.ts';
import type { Terminal } from '../output/terminal.ts';
import { waitForScatter, waitForTask } from '../wait-for-end.ts';
import { DemoFailure } from './failure.ts';
import { countsBetween, type Ledgers, type RequestCounts } from './ledger.ts';
import { gatherBody, scatterBody, type RunPlaces } from './tasks.ts';

export interface RunMeasurements {
  tasks: number;
  /** From the first request until the gathered result is in S3. */
  wallMs: number;
  scatterMs: number;
  gatherMs: number;
  cacheHits: number;
  /** Containers started. */
  starts: number;
  /** By operation, of fleet and tasks together. */
  requests: Record<string, number>;
  /** By operation, of the fleet alone. */
  fleetRequests: Record<string, number>;
}

export interface RunContext {
  client: Client;
  ledgers: Ledgers;
  /** Tasks of the scatter. */
  tasks: number;
  terminal: Terminal;
}

/** A run takes a minute on two cores; where lines cannot be replaced, a few of them are enough. */
const LINE_EVERY_MS = 20_000;

/** Scatters, then gathers. Rejects with DemoFailure when a task does not end as COMPLETE. */
export async function runOnce(
  { client, ledgers, tasks, terminal }: RunContext,
  places: RunPlaces,
): Promise<RunMeasurements> {
  const before = await ledgers.read();
  const startedMs = performance.now();
  const { id } = await client.submitScatter(scatterBody(places, tasks));
  const scatter = await waitForScatter(client, id, terminal, progressOf('scatter'));
  const scatterMs = performance.now() - startedMs;
  if (scatter.places.done !== tasks) throw new DemoFailure(await explainFailedScatter(client, id));

  const gather = await client.submit(gatherBody(places, tasks));
  const gathered = await waitForTask(client, gather.id, terminal, progressOf('gather'));
  const wallMs = performance.now() - startedMs;
  if (gathered.state !== 'COMPLETE')
    throw new DemoFailure(
      `The gather task ${gather.id} ended as ${gathered.state}:\n` +
        (await explainTask(client, gather.id)),
    );

  const gatherHits = finalLog(gathered)?.metadata?.['cache'] === 'hit' ? 1 : 0;
  return withCounts(countsBetween(before, await ledgers.read()), {
    tasks: tasks + 1,
    wallMs,
    scatterMs,
    gatherMs: wallMs - scatterMs,
    cacheHits: scatter.cache_hits + gatherHits,
  });
}

const progressOf = (what: string) => ({ title: `  ${what}`, lineEveryMs: LINE_EVERY_MS });

const withCounts = (
  { starts, byOperation: requests, byFleet: fleetRequests }: RequestCounts,
  facts: Omit<RunMeasurements, 'starts' | 'requests' | 'fleetRequests'>,
): RunMeasurements => ({ ...facts, starts, requests, fleetRequests });

/** The first task of the scatter that did not complete, with its own messages. */
async function explainFailedScatter(client: Client, id: string): Promise<string> {
  const failed = (
    await Array.fromAsync(client.scatterTasks(id, { view: 'BASIC', page_size: 2047 }))
  ).filter((task) => task.state !== 'COMPLETE');
  const [first] = failed;
  if (first === undefined) return `The scatter ${id} did not complete.`;
  return (
    `${failed.length} tasks of the scatter ${id} did not complete. ` +
    `The first, ${first.id}, ended as ${first.state}:\n${await explainTask(client, first.id)}`
  );
}

async function explainTask(client: Client, id: string): Promise<string> {
  const task = await client.get(id, { view: 'FULL' });
  const stderr = await client.logs(id, { stream: 'stderr', executor: 0 }).catch(() => '');
  return [...(finalLog(task)?.system_logs ?? []), stderr.trimEnd()]
    .filter((text) => text !== '')
    .join('\n');
}
