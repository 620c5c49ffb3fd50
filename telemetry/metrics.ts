/**
 * The one catalogue of metrics. Label values are closed sets where they can be, and every such series exists from
 * the start at 0, so that a rate is right from the first event on.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { failureKinds } from '../core/failures.ts';
import { endPlaces, stages } from '../core/places.ts';

const DURATION_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const WAIT_BUCKETS_S = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600];

export const cacheResults = ['hit', 'miss', 'wait', 'off', 'unreadable-input'] as const;
export type CacheResult = (typeof cacheResults)[number];

export const batchStatuses = ['SUBMITTED', 'PENDING', 'RUNNABLE', 'STARTING', 'RUNNING', 'SUCCEEDED', 'FAILED'] as const;

export const messageOutcomes = ['done', 'wait', 'error'] as const;
export type MessageOutcome = (typeof messageOutcomes)[number];

/** All metrics on one registry of their own. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'batchwell_' });
  const registers = [registry];

  const metrics = {
    registry,
    stageEntered: new Counter({ name: 'batchwell_stage_entered_tasks_total', help: 'Tasks that came into a stage.', labelNames: ['stage'] as const, registers }),
    stageMoved: new Counter({ name: 'batchwell_stage_moved_tasks_total', help: 'Tasks that left a stage, by the move they made.', labelNames: ['stage', 'move'] as const, registers }),
    tasksEnded: new Counter({ name: 'batchwell_tasks_ended_total', help: 'Tasks that came to their end, by where.', labelNames: ['place'] as const, registers }),
    taskSeconds: new Histogram({ name: 'batchwell_task_seconds', help: 'From acceptance to the end of a task.', labelNames: ['place'] as const, buckets: WAIT_BUCKETS_S, registers }),
    messages: new Counter({ name: 'batchwell_messages_total', help: 'Queue messages worked on, by outcome.', labelNames: ['stage', 'outcome'] as const, registers }),
    messageSeconds: new Histogram({ name: 'batchwell_message_seconds', help: 'Time a stage worked on one message.', labelNames: ['stage'] as const, buckets: DURATION_BUCKETS_S, registers }),
    messageWaitSeconds: new Histogram({ name: 'batchwell_message_wait_seconds', help: 'Time a message waited in its queue.', labelNames: ['stage'] as const, buckets: WAIT_BUCKETS_S, registers }),
    queueDepth: new Gauge({ name: 'batchwell_queue_messages', help: 'Messages in a queue, by state.', labelNames: ['stage', 'state'] as const, registers }),
    queueOldestSeconds: new Gauge({ name: 'batchwell_queue_oldest_seconds', help: 'Age of the oldest waiting message.', labelNames: ['stage'] as const, registers }),
    cacheLookups: new Counter({ name: 'batchwell_cache_lookups_total', help: 'Call-cache decisions, by result.', labelNames: ['result'] as const, registers }),
    cacheInvalidations: new Counter({ name: 'batchwell_cache_invalidations_total', help: 'Entries found without their outputs.', registers }),
    awsRequests: new Counter({ name: 'batchwell_aws_requests_total', help: 'Requests to AWS; code is the HTTP status or the error of the connection.', labelNames: ['service', 'operation', 'code'] as const, registers }),
    awsRequestSeconds: new Histogram({ name: 'batchwell_aws_request_seconds', help: 'Latency of requests to AWS.', labelNames: ['service', 'operation'] as const, buckets: DURATION_BUCKETS_S, registers }),
    awsBudgetWaitSeconds: new Counter({ name: 'batchwell_aws_budget_wait_seconds_total', help: 'Time spent waiting for the fleet’s share of AWS’s rate limits.', labelNames: ['service'] as const, registers }),
    batchJobs: new Gauge({ name: 'batchwell_batch_jobs', help: 'Jobs of running submissions as last seen in Batch, array children counted singly.', labelNames: ['queue', 'status'] as const, registers }),
    submissions: new Counter({ name: 'batchwell_submissions_total', help: 'SubmitJob calls that Batch took.', labelNames: ['kind'] as const, registers }),
    submissionTasks: new Histogram({ name: 'batchwell_submission_tasks', help: 'Tasks carried by one submission.', buckets: [1, 2, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10_000], registers }),
    pollRequests: new Counter({ name: 'batchwell_poll_requests_total', help: 'Requests made to watch Batch and the result records.', labelNames: ['service'] as const, registers }),
    pollChanges: new Counter({ name: 'batchwell_poll_changes_total', help: 'Ends of attempts found by watching; changes per request is the efficiency of polling.', registers }),
    failures: new Counter({ name: 'batchwell_failures_total', help: 'Failed tasks, by reason.', labelNames: ['reason'] as const, registers }),
    retries: new Counter({ name: 'batchwell_retries_total', help: 'Attempts made again, by reason.', labelNames: ['reason'] as const, registers }),
    swept: new Counter({ name: 'batchwell_swept_rows_total', help: 'Rows that stood still and were nudged again.', labelNames: ['what'] as const, registers }),
  };
  startAtZero(metrics);
  return metrics;
}

export type Metrics = ReturnType<typeof createMetrics>;

function startAtZero(metrics: ReturnType<typeof createMetrics>): void {
  for (const stage of stages) {
    metrics.stageEntered.inc({ stage }, 0);
    metrics.queueOldestSeconds.set({ stage }, 0);
    for (const outcome of messageOutcomes) metrics.messages.inc({ stage, outcome }, 0);
    for (const state of ['waiting', 'delayed', 'active', 'failed']) metrics.queueDepth.set({ stage, state }, 0);
  }
  for (const place of endPlaces) metrics.tasksEnded.inc({ place }, 0);
  for (const result of cacheResults) metrics.cacheLookups.inc({ result }, 0);
  for (const reason of Object.keys(failureKinds)) metrics.failures.inc({ reason }, 0);
  for (const reason of ['host-lost', 'out-of-memory']) metrics.retries.inc({ reason }, 0);
  for (const kind of ['single', 'array']) metrics.submissions.inc({ kind }, 0);
  for (const service of ['s3', 'batch']) metrics.pollRequests.inc({ service }, 0);
}
