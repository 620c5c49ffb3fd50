/** Starts and closes the local AWS Batch. This folder holds everything that only Batch needs. */
import { mkdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { serveControl } from '../control.ts';
import { createFaults, type Faults } from '../faults.ts';
import { startHttpServer, type ListenOptions } from '../http-server.ts';
import { createLedger, type Ledger } from '../ledger.ts';
import type { BatchContext, LagMs } from './context.ts';
import { serveBatchControl } from './control-batch.ts';
import { createDefinitions } from './definitions.ts';
import { Engine, type EngineSetting } from './engine.ts';
import { createJobStore } from './job-store.ts';
import type { Job } from './jobs.ts';
import { compactJournal, openJournal, replayJournal, type Journal } from './journal.ts';
import { createQueues, type Queues } from './queues.ts';
import { serveBatch } from './requests.ts';
import { applyEvent, continueJobs, createHistory } from './resume.ts';
import type { Runner } from './runner.ts';
import { chooseRunner } from './runners/choose.ts';
import { AWS_THROTTLE, createThrottle, type ThrottleSetting } from './throttle.ts';

export interface QueueSetting {
  name: string;
  /** Containers that run at the same time. */
  slots: number;
  /** Where queues share an environment, the higher priority goes first. Default 1. */
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

export interface LocalBatchOptions extends ListenOptions {
  /** Journal, logs and scratch folders. Created when it does not exist. One server at a time. */
  dataFolder: string;
  /**
   * Default: one queue `batchwell` with a slot per CPU. Queues made over the wire come back after a
   * restart.
   */
  queues?: QueueSetting[];
  ledger?: Ledger;
  faults?: Faults;
  /** Default: a container engine where it has the image, else bubblewrap, else proot. */
  runner?: Runner;
  /** Set in every container, as a job role does: endpoint, region, credentials. */
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
  /** The clock of this AWS, which need not be that of its callers. Default: the machine's. */
  nowMs?: () => number;
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

interface LateJournal extends Journal {
  open(path: string): void;
}

/**
 * A journal that keeps nothing until there is a file: while an old one is read, its events must not
 * be written again.
 */
function createLateJournal(): LateJournal {
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

/** Engine and queues need each other: the engine queues RUNNABLE jobs, the queues start them. */
function createEngine(setting: EngineSetting): { engine: Engine; queues: Queues } {
  const engine = new Engine(setting, () => queues);
  const queues = createQueues((job, environment, freeSlot) =>
    engine.start(job, environment, freeSlot),
  );
  return { engine, queues };
}

interface Instruments {
  runner: Runner;
  ledger: Ledger;
  faults: Faults;
  journal: Journal;
  logFolder: string;
  dataFolder: string;
}

function createContext(options: LocalBatchOptions, instruments: Instruments): BatchContext {
  const { journal, faults, logFolder } = instruments;
  const nowMs = options.nowMs ?? Date.now;
  const store = createJobStore(
    { finishedMs: 7 * DAY_MS, finishedJobs: 100_000, ...options.keep },
    (job) =>
      void removeLogs(job, logFolder).catch((cause: unknown) =>
        process.emitWarning(`A log could not be removed: ${String(cause)}`),
      ),
  );
  const setting = {
    ...instruments,
    store,
    nowMs,
    jobEnvironment: options.jobEnvironment ?? {},
    scheduleMs: options.latency?.scheduleMs ?? 0,
    startMs: options.latency?.startMs ?? 0,
    graceMs: options.graceMs ?? DEFAULT_GRACE_MS,
  };
  return {
    region: options.region ?? 'us-east-1',
    accountId: options.accountId ?? '000000000000',
    minTimeoutSeconds: options.minTimeoutSeconds ?? 60,
    lag: { definitionMs: 0, listMs: 0, ...options.lag },
    store,
    definitions: createDefinitions(),
    ...createEngine(setting),
    journal,
    faults,
    nowMs,
  };
}

/** Restores what an earlier server on this data folder knew, then continues its journal. */
async function resume(
  path: string,
  context: BatchContext,
  journal: LateJournal,
  settings: QueueSetting[],
): Promise<void> {
  const { store, nowMs } = context;
  const history = createHistory(context);
  await replayJournal(path, (event) => applyEvent(history, event));
  store.forgetOld(nowMs());
  await compactJournal(path, (jobId) => store.get(jobId) !== undefined);
  journal.open(path);
  putQueues(context.queues, settings);
  continueJobs(history, nowMs());
}

async function assemble(
  options: LocalBatchOptions,
  dataFolder: string,
  parts: { runner: Runner; ledger: Ledger; faults: Faults },
): Promise<{ context: BatchContext; logFolder: string }> {
  const logFolder = join(dataFolder, 'logs');
  await mkdir(logFolder, { recursive: true });
  const journal = createLateJournal();
  const context = createContext(options, { ...parts, journal, logFolder, dataFolder });
  const queues = options.queues ?? [{ name: DEFAULT_QUEUE, slots: availableParallelism() }];
  await resume(join(dataFolder, 'journal.jsonl'), context, journal, queues);
  return { context, logFolder };
}

async function closeContext({ engine, journal }: BatchContext): Promise<void> {
  await engine.close();
  journal.close();
}

function chooseRunnerFor(options: LocalBatchOptions, dataFolder: string): Promise<Runner> {
  return chooseRunner({ dataFolder, keepScratch: options.keepScratch ?? false });
}

/**
 * Serves AWS Batch, by default on loopback.
 * @throws when the port is taken, or no way to run containers works on this machine.
 */
export async function startLocalBatch(options: LocalBatchOptions): Promise<LocalBatch> {
  const { ledger = createLedger(), faults = createFaults() } = options;
  const dataFolder = resolve(options.dataFolder);
  const runner = options.runner ?? (await chooseRunnerFor(options, dataFolder));
  await runner
    .sweep?.()
    .catch((cause: unknown) =>
      process.emitWarning(`What earlier servers left could not be removed: ${String(cause)}`),
    );
  const { context, logFolder } = await assemble(options, dataFolder, { runner, ledger, faults });
  const throttle = createThrottle(options.throttle ?? AWS_THROTTLE, context.nowMs());
  const parts = { context, ledger, throttle, requestMs: options.latency?.requestMs ?? 0 };
  const health = () => ({
    runner: runner.name,
    jobs: context.store.size(),
    slotsUsed: context.queues.slotsUsed(),
  });
  const http = await startHttpServer(async (request, response) => {
    if (await serveBatchControl({ context, logFolder }, request, response)) return;
    if (await serveControl({ service: 'batch', ledger, faults, health }, request, response)) return;
    await serveBatch(parts, request, response);
  }, options).catch(async (cause: unknown) => {
    await closeContext(context);
    throw cause;
  });
  let closing: Promise<void> | undefined;
  return {
    url: http.url,
    port: http.port,
    ledger,
    faults,
    runner: runner.name,
    close() {
      closing ??= http.close().then(() => closeContext(context));
      return closing;
    },
  };
}
