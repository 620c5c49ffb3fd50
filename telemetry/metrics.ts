/**
 * This folder holds logs and metrics; this file is the one catalogue of metrics, by family. Label
 * values are closed sets where they can be, and every such series exists from the start at 0, so
 * that a rate is right from the first event on.
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import packageJson from '../package.json' with { type: 'json' };
import { isEnd, moves, type MoveName, type Stage } from '../core/places.ts';
import { awsMetrics } from './families/aws.ts';
import { batchMetrics, janitorMetrics } from './families/batch.ts';
import { cacheMetrics } from './families/cache.ts';
import { fleetMetrics } from './families/fleet.ts';
import { httpMetrics } from './families/http.ts';
import { isolationMetrics } from './families/isolation.ts';
import { notificationMetrics } from './families/notifications.ts';
import { processMetrics } from './families/processes.ts';
import { ownerMetrics } from './families/owners.ts';
import { pruningMetrics } from './families/pruning.ts';
import { queueMetrics } from './families/queues.ts';
import { resourceMetrics } from './families/resources.ts';
import { spanMetrics } from './families/spans.ts';
import { stageMetrics } from './families/stages.ts';
import { taskMetrics } from './families/tasks.ts';

export const batchStatuses = [
  'SUBMITTED',
  'PENDING',
  'RUNNABLE',
  'STARTING',
  'RUNNING',
  'SUCCEEDED',
  'FAILED',
] as const;

/** All metrics, on a registry of their own. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'batchwell_' });
  const registers = [registry];
  const metrics = {
    registry,
    ...taskMetrics(registers),
    ...spanMetrics(registers),
    ...queueMetrics(registers),
    ...stageMetrics(registers),
    ...isolationMetrics(registers),
    ...cacheMetrics(registers),
    ...awsMetrics(registers),
    ...janitorMetrics(registers),
    ...batchMetrics(registers),
    ...notificationMetrics(registers),
    ...pruningMetrics(registers),
    ...processMetrics(registers),
    ...httpMetrics(registers),
    ...fleetMetrics(registers),
    ...ownerMetrics(registers),
    ...resourceMetrics(registers),
  };
  metrics.buildInfo.set({ version: packageJson.version, node: process.versions.node }, 1);
  return metrics;
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Counts tasks that left a stage, and that they entered the next one. */
export function countMoves(
  metrics: Metrics,
  stage: Stage,
  counts: Partial<Record<MoveName, number>>,
): void {
  for (const [move, count] of Object.entries(counts)) {
    metrics.stageMoved.inc({ stage, move }, count);
    const { to } = moves[move as MoveName];
    if (!isEnd(to)) metrics.stageEntered.inc({ stage: to }, count);
  }
}
