/** The fleet's S3 and Batch clients, connected to the local AWS. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBatch, type Batch } from '../../aws/batch.ts';
import type { Budget } from '../../aws/budget.ts';
import type { CopyLimits, CopySource } from '../../aws/copy-request.ts';
import { openObjectStore, type ObjectStore } from '../../aws/s3.ts';
import {
  createSimulatedRunner,
  type SimulatedRun,
} from '../../packages/local-aws/batch/runners/simulated.ts';
import { startLocalBatch, type LocalBatch } from '../../packages/local-aws/batch/server.ts';
import {
  startLocalS3,
  type LocalS3,
  type LocalS3Options,
} from '../../packages/local-aws/s3/server.ts';
import { createMetrics, type Metrics } from '../../telemetry/metrics.ts';

const credentials = {
  AWS_ACCESS_KEY_ID: 'local',
  AWS_SECRET_ACCESS_KEY: 'local',
  AWS_REGION: 'us-east-1',
};

export interface BatchEdge {
  local: LocalBatch;
  batch: Batch;
  metrics: Metrics;
  /** How many times the budget was asked for a turn, and notified of a throttled answer. */
  budget: { turns: number; slowed: number };
  asked(operation: string): number;
  close(): Promise<void>;
}

const countingBudget = (counts: { turns: number; slowed: number }): Budget => ({
  take: async () => void (counts.turns += 1),
  slowDown: async () => void (counts.slowed += 1),
});

export const SUBMIT_TIMEOUT_MS = 300;

export async function openBatchEdge(
  plan: () => SimulatedRun = () => ({ durationMs: 0 }),
): Promise<BatchEdge> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'aws-batch-'));
  const local = await startLocalBatch({
    dataFolder,
    queues: [{ name: 'q', slots: 100 }],
    throttle: 'off',
    graceMs: 100,
    runner: createSimulatedRunner(plan),
  });
  Object.assign(process.env, credentials, { AWS_ENDPOINT_URL_BATCH: local.url });
  const metrics = createMetrics();
  const counts = { turns: 0, slowed: 0 };
  const batch = openBatch({
    budget: countingBudget(counts),
    metrics,
    submitTimeoutMs: SUBMIT_TIMEOUT_MS,
  });
  return {
    local,
    batch,
    metrics,
    budget: counts,
    asked: (operation) => local.ledger.summary().requests[`batch.${operation}`]?.count ?? 0,
    async close() {
      batch.close();
      await local.close();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
}

export interface S3Edge {
  local: LocalS3;
  objects: ObjectStore;
  metrics: Metrics;
  /** How many times the budget was asked for a turn, and notified of a throttled answer. */
  budget: { turns: number; slowed: number };
  asked(operation: string): number;
  close(): Promise<void>;
}

export async function openS3Edge(
  options: Partial<LocalS3Options> & { copyLimits?: CopyLimits } = {},
): Promise<S3Edge> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'aws-s3-'));
  const local = await startLocalS3({ dataFolder, createBuckets: ['data', 'other'], ...options });
  Object.assign(process.env, credentials, { AWS_ENDPOINT_URL_S3: local.url });
  const metrics = createMetrics();
  const counts = { turns: 0, slowed: 0 };
  const objects = openObjectStore({
    metrics,
    pathStyle: true,
    budget: countingBudget(counts),
    ...(options.copyLimits && { copyLimits: options.copyLimits }),
  });
  return {
    budget: counts,
    local,
    objects,
    metrics,
    asked: (operation) => local.ledger.summary().requests[`s3.${operation}`]?.count ?? 0,
    async close() {
      objects.close();
      await local.close();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
}

/** An object as a copy is asked for it. */
export async function sourceOf(objects: ObjectStore, url: string): Promise<CopySource> {
  const seen = await objects.describe(url);
  if (!seen) throw new Error(`${url} does not exist.`);
  const { sizeBytes, etag, checksums } = seen;
  return { url, sizeBytes, etag, versionId: null, crc64nvme: checksums.crc64nvme ?? '' };
}
