/**
 * The local AWS in its own process: S3, and a Batch whose containers run nothing but write the
 * results of a task.
 */
import { join } from 'node:path';
import { SUBMISSION_VARIABLE } from '../core/files/s3-layout.ts';
import { SECRET_VARIABLE } from '../core/submission/proof.ts';
import type { LocalBatch, LatencyMs } from '../packages/local-aws/batch/server.ts';
import { startLocalBatch } from '../packages/local-aws/batch/server.ts';
import { createSimulatedRunner } from '../packages/local-aws/batch/runners/simulated.ts';
import type { Container } from '../packages/local-aws/batch/runner.ts';
import type { ThrottleSetting } from '../packages/local-aws/batch/throttle.ts';
import type { RequestCount } from '../packages/local-aws/ledger.ts';
import { createRandom } from '../packages/local-aws/random.ts';
import { startLocalS3, type LocalS3 } from '../packages/local-aws/s3/server.ts';
import { serveParent } from './child.ts';
import { createEffects, type Effects, inputBody } from './container-effect.ts';

export interface AwsSettings {
  dataFolder: string;
  bucket: string;
  queue: string;
  slots: number;
  /** Added to every response of S3 and Batch. */
  requestMs: number;
  latency: LatencyMs;
  throttle: ThrottleSetting | 'off';
  /** How long containers run, evenly distributed. */
  runMs: [least: number, most: number];
  seed: number;
}

export interface AwsUrls {
  s3Url: string;
  batchUrl: string;
}

export interface AwsCounts {
  /** By service.operation. Of the fleet alone: the requests of the containers are subtracted. */
  requests: Record<string, RequestCount>;
  containerPuts: number;
  containerGets: number;
  starts: number;
  running: number;
  jobsStartedAgain: number;
}

/**
 * When the result record of each attempt was in S3, epoch ms. By submission key, then array index.
 */
export type AttemptEnds = Map<string, number[]>;

let s3: LocalS3 | undefined;
let batch: LocalBatch | undefined;
let effects: Effects | undefined;
let runMs: [number, number] = [0, 0];
let random = createRandom(1);
let ends: AttemptEnds = new Map();

const TELLS_START_MS = 1000;

function planRun(container: Container) {
  const [least, most] = runMs;
  const durationMs = least + random() * (most - least);
  const submissionUrl = container.environment[SUBMISSION_VARIABLE] ?? '';
  const secret = Buffer.from(container.environment[SECRET_VARIABLE] ?? '', 'base64url');
  const index = container.arrayIndex ?? 0;
  const run = { submissionUrl, secret, index, attempt: container.attempt, startedMs: Date.now() };
  // The fleet never looks at the start of a container that ends at once, and its PUT would be measured.
  const begun = durationMs < TELLS_START_MS ? undefined : effects?.begin(run);
  return {
    durationMs,
    async effect() {
      await begun;
      await effects?.leave(run);
      const key = submissionUrl.split('/').at(-2) ?? '';
      const known = ends.get(key) ?? [];
      ends.set(key, known);
      known[index] = Date.now();
    },
  };
}

async function start(settings: AwsSettings): Promise<AwsUrls> {
  s3 = await startLocalS3({
    dataFolder: join(settings.dataFolder, 's3'),
    createBuckets: [settings.bucket],
    latencyMs: settings.requestMs,
  });
  effects = createEffects(s3.url);
  runMs = settings.runMs;
  random = createRandom(settings.seed);
  batch = await startLocalBatch({
    dataFolder: join(settings.dataFolder, 'batch'),
    queues: [{ name: settings.queue, slots: settings.slots }],
    runner: createSimulatedRunner(planRun),
    latency: { ...settings.latency, requestMs: settings.requestMs },
    throttle: settings.throttle,
  });
  return { s3Url: s3.url, batchUrl: batch.url };
}

function count(): AwsCounts {
  if (!s3 || !batch || !effects) throw new Error('The local AWS has not started.');
  const ofBatch = batch.ledger.summary();
  const requests = { ...s3.ledger.summary().requests, ...ofBatch.requests };
  const { put, get } = effects.counts;
  for (const [operation, taken] of [
    ['s3.PutObject', put],
    ['s3.GetObject', get],
  ] as const) {
    const counted = requests[operation];
    if (!counted) continue;
    counted.count -= taken;
    counted.byCode['OK'] = (counted.byCode['OK'] ?? 0) - taken;
  }
  return {
    requests,
    containerPuts: put,
    containerGets: get,
    starts: ofBatch.startsTotal,
    running: ofBatch.running,
    jobsStartedAgain: ofBatch.jobsStartedAgain,
  };
}

const PUTS_AT_ONCE = 16;

async function putInputs({ urls }: { urls: readonly string[] }): Promise<void> {
  const pending = urls.values();
  const work = async (): Promise<void> => {
    for (const url of pending) await effects?.put(url, inputBody(url));
  };
  await Promise.all(Array.from({ length: PUTS_AT_ONCE }, work));
}

serveParent(
  {
    start,
    count,
    putInputs,
    ends: () => ends,
    reset() {
      s3?.ledger.reset();
      batch?.ledger.reset();
      if (effects) Object.assign(effects.counts, { put: 0, get: 0 });
      ends = new Map();
    },
    setRunMs: (range: [number, number]) => void (runMs = range),
  },
  async () => {
    effects?.close();
    await Promise.all([batch?.close(), s3?.close()]);
  },
);
