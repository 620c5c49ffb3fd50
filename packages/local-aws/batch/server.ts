/** The local AWS Batch: put together, started and closed. */
import { mkdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { serveControl } from '../control.ts';
import { createFaults, type Faults } from '../faults.ts';
import { startHttpServer } from '../http-server.ts';
import { createLedger, type Ledger } from '../ledger.ts';
import type { BatchContext, LagMs } from './context.ts';
import { serveBatchControl } from './control-batch.ts';
import { createDefinitions } from './definitions.ts';
import { Engine } from './engine.ts';
import { createJobStore } from './job-store.ts';
import type { Job } from './jobs.ts';
import { compactJournal, openJournal, replayJournal, type Journal } from './journal.ts';
import { createQueues, type Queues } from './queues.ts';
import { serveBatch } from './requests.ts';
import { createResumed } from './resume.ts';
import type { Runner } from './runner.ts';
import { chooseRunner } from './runners/choose.ts';
import { AWS_THROTTLE, createThrottle, type ThrottleSetting } from './throttle.ts';

export interface QueueSetting {
  name: string;
  /** Containers that run at the same time. */
  slots: number;
  /** Higher goes first where queues share an environment. Default 1. */
  priority?: number;
}

export interface LatencyMs {
  /** Added to every answer. */
  requestMs?: number;
  /** From SUBMITTED to RUNNABLE. */
  scheduleMs?: number;
  /** From STARTING to RUNNING. */
  startMs?: number;
}

export interface LocalBatchOptions {
  /** Journal, logs and scratch folders; made when absent. One server at a time. */
  dataFolder: string;
  /** 0, the default, takes a free one. */
  port?: number;
  /**
   * Default: one queue `batchwell` with a slot per CPU. Queues made over the wire come back after a
   * restart.
   */
  queues?: QueueSetting[];
  ledger?: Ledger;
  faults?: Faults;
  /** Default: a container engine where it has the image, else bubblewrap, else proot. */
  runner?: Runner;
  /** Put into every container, as a job role would: endpoint, region, credentials. */
  jobEnvironment?: Record<string, string>;
  latency?: LatencyMs;
  lag?: Partial<LagMs>;
  /** Default: AWS's 50 SubmitJob per second. */
  throttle?: ThrottleSetting | 'off';
  /** AWS takes no timeout below 60 s; tests may. */
  minTimeoutSeconds?: number;
  /** Between SIGTERM and SIGKILL. Default 30 s, as ECS. */
  graceMs?: number;
  /** Finished jobs are kept 7 days, and the newest 100,000 submissions. */
  keep?: { finishedMs?: number; finishedJobs?: number };
  keepScratch?: boolean;
  region?: string;
  accountId?: string;
}

export interface LocalBatch {
  url: string;
  port: number;
  ledger: Ledger;
  faults: Faults;
  /** The name of the way containers run: isolated, proot, container+isolated, simulated … */
  runner: string;
  /**
   * Ends everything that runs; jobs that ran are host-lost for the next server on this data folder.
   */
  close(): Promise<void>;
}

const DAY_MS = 24 * 3600 * 1000;
const DEFAULT_GRACE_MS = 30_000;
const DEFAULT_QUEUE = 'batchwell';

function putQueues(queues: Queues, settings: QueueSetting[]): void {
  for (const { name, slots, priority = 1 } of settings) {
    const environment = queues.environment(name);
    const request = environment?.request ?? { computeResources: { type: 'EC2', maxvCpus: slots } };
    queues.putEnvironment({ tags: {}, state: 'ENABLED', ...environment, name, slots, request });
    queues.put({
      tags: {},
      state: 'ENABLED',
      ...queues.get(name),
      name,
      priority,
      environments: [name],
    });
  }
}

/**
 * A journal that keeps nothing until there is a file: while an old one is read, its events must not
 * be written again.
 */
function createLateJournal(): Journal & { open(path: string): void } {
  let journal: Journal | undefined;
  return {
    open(path) {
      journal = openJournal(path);
    },
    write: (event) => journal?.write(event),
    flush: () => journal?.flush(),
    close: () => journal?.close(),
  };
}

async function removeLogs(job: Job, logFolder: string): Promise<void> {
  for (const member of job.children?.upwards(undefined, 0) ?? [job]) {
    for (const { taskId, logStreamName } of member.attempts) {
      if (logStreamName !== undefined) await rm(join(logFolder, `${taskId}.log`), { force: true });
    }
  }
}

async function assemble(
  options: LocalBatchOptions,
  runner: Runner,
  ledger: Ledger,
  faults: Faults,
) {
  const {
    dataFolder,
    jobEnvironment = {},
    graceMs = DEFAULT_GRACE_MS,
    region = 'us-east-1',
    accountId = '000000000000',
    minTimeoutSeconds = 60,
  } = options;
  const { scheduleMs, startMs } = { scheduleMs: 0, startMs: 0, ...options.latency };
  const keeping = { finishedMs: 7 * DAY_MS, finishedJobs: 100_000, ...options.keep };
  const logFolder = join(dataFolder, 'logs');
  await mkdir(logFolder, { recursive: true });
  const journalPath = join(dataFolder, 'journal.jsonl');
  const journal = createLateJournal();
  const nowMs = Date.now;
  const store = createJobStore(keeping, (job) => void removeLogs(job, logFolder));
  const definitions = createDefinitions();
  const engine = new Engine(
    {
      store,
      journal,
      runner,
      ledger,
      faults,
      logFolder,
      nowMs,
      jobEnvironment,
      scheduleMs,
      startMs,
      graceMs,
    },
    () => queues,
  );
  const queues = createQueues((job, environment, freeSlot) =>
    engine.start(job, environment, freeSlot),
  );
  const resumed = createResumed({ store, definitions, queues, engine });
  await replayJournal(journalPath, resumed.apply);
  store.forgetOld(nowMs());
  await compactJournal(journalPath, (jobId) => store.get(jobId) !== undefined);
  journal.open(journalPath);
  putQueues(queues, options.queues ?? [{ name: DEFAULT_QUEUE, slots: availableParallelism() }]);
  resumed.goOn(nowMs());
  const context: BatchContext = {
    region,
    accountId,
    minTimeoutSeconds,
    lag: { definitionMs: 0, listMs: 0, ...options.lag },
    store,
    definitions,
    queues,
    engine,
    journal,
    faults,
    nowMs,
  };
  return { context, logFolder };
}

/**
 * Serves AWS Batch on 127.0.0.1.
 * @throws when the port is taken, or no way to run containers works on this machine.
 */
export async function startLocalBatch(options: LocalBatchOptions): Promise<LocalBatch> {
  const { ledger = createLedger(), faults = createFaults(), latency = {} } = options;
  const dataFolder = resolve(options.dataFolder);
  const runner =
    options.runner ??
    (await chooseRunner({ dataFolder, keepScratch: options.keepScratch ?? false }));
  await runner.sweep?.();
  const { context, logFolder } = await assemble({ ...options, dataFolder }, runner, ledger, faults);
  const throttle = createThrottle(options.throttle ?? AWS_THROTTLE, context.nowMs());
  const parts = { context, ledger, throttle, requestMs: latency.requestMs ?? 0 };
  const health = () => ({
    runner: runner.name,
    jobs: context.store.size(),
    slotsUsed: context.queues.slotsUsed(),
  });
  let http: Awaited<ReturnType<typeof startHttpServer>>;
  try {
    http = await startHttpServer(async (request, response) => {
      if (await serveBatchControl({ context, logFolder }, request, response)) return;
      if (await serveControl({ service: 'batch', ledger, faults, health }, request, response))
        return;
      await serveBatch(parts, request, response);
    }, options.port);
  } catch (cause) {
    await context.engine.close();
    context.journal.close();
    throw cause;
  }
  let closing: Promise<void> | undefined;
  const close = async () => {
    await http.close();
    await context.engine.close();
    context.journal.close();
  };
  return {
    url: http.url,
    port: http.port,
    ledger,
    faults,
    runner: runner.name,
    close() {
      closing ??= close();
      return closing;
    },
  };
}
