/**
 * The one catalogue of metrics. Label values are closed sets where they can be, and every such series exists from
 * the start at 0, so that a rate is right from the first event on.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { failureKinds } from '../core/retry/failures.ts';
import { janitorVerdicts } from '../core/submission/is-wanted.ts';
import { retryReasons } from '../core/retry/decide-retry.ts';
import { endPlaces, isEnd, moves, stages, type MoveName, type Stage } from '../core/places.ts';

const DURATION_BUCKETS_S = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
const WAIT_BUCKETS_S = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600];

export const cacheResults = ['hit', 'miss', 'wait', 'off', 'unreadable-input'] as const;
export type CacheResult = (typeof cacheResults)[number];

export const batchStatuses = [
  'SUBMITTED',
  'PENDING',
  'RUNNABLE',
  'STARTING',
  'RUNNING',
  'SUCCEEDED',
  'FAILED',
] as const;

export const acceptedKinds = ['single', 'scatter'] as const;
export const dependencies = ['mysql', 'redis'] as const;

/** What the sweeper finds: tasks by the stage at which they stood still, and submissions. */
export const sweptKinds = [...stages, 'submission'] as const;

export const jobEventKinds = ['ended', 'other', 'malformed'] as const;

export const webhookOutcomes = ['delivered', 'again', 'dead'] as const;

export const messageOutcomes = ['done', 'wait', 'error'] as const;
export type MessageOutcome = (typeof messageOutcomes)[number];

/** All metrics on one registry of their own. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'batchwell_' });
  const registers = [registry];

  const metrics = {
    registry,
    tasksAccepted: new Counter({
      name: 'batchwell_tasks_accepted_total',
      help: 'Tasks that the API committed, by whether they came alone or in a scatter.',
      labelNames: ['kind'] as const,
      registers,
    }),
    stageEntered: new Counter({
      name: 'batchwell_stage_entered_tasks_total',
      help: 'Tasks that came into a stage.',
      labelNames: ['stage'] as const,
      registers,
    }),
    stageMoved: new Counter({
      name: 'batchwell_stage_moved_tasks_total',
      help: 'Tasks that left a stage, by the move they made.',
      labelNames: ['stage', 'move'] as const,
      registers,
    }),
    tasksEnded: new Counter({
      name: 'batchwell_tasks_ended_total',
      help: 'Tasks that came to their end, by where.',
      labelNames: ['place'] as const,
      registers,
    }),
    taskSeconds: new Histogram({
      name: 'batchwell_task_seconds',
      help: 'From acceptance to the end of a task.',
      labelNames: ['place'] as const,
      buckets: WAIT_BUCKETS_S,
      registers,
    }),
    messages: new Counter({
      name: 'batchwell_messages_total',
      help: 'Queue messages worked on, by outcome.',
      labelNames: ['stage', 'outcome'] as const,
      registers,
    }),
    messageSeconds: new Histogram({
      name: 'batchwell_message_seconds',
      help: 'Time a stage worked on one message.',
      labelNames: ['stage'] as const,
      buckets: DURATION_BUCKETS_S,
      registers,
    }),
    messageWaitSeconds: new Histogram({
      name: 'batchwell_message_wait_seconds',
      help: 'Time a message waited in its queue until it was first taken; a delay that was asked for does not count.',
      labelNames: ['stage'] as const,
      buckets: WAIT_BUCKETS_S,
      registers,
    }),
    queueDepth: new Gauge({
      name: 'batchwell_queue_messages',
      help: 'Messages in a queue, by state.',
      labelNames: ['stage', 'state'] as const,
      registers,
    }),
    queueOldestSeconds: new Gauge({
      name: 'batchwell_queue_oldest_seconds',
      help: 'How long the first waiting message has been there, since it was last taken if it was taken before.',
      labelNames: ['stage'] as const,
      registers,
    }),
    cacheLookups: new Counter({
      name: 'batchwell_cache_lookups_total',
      help: 'Call-cache decisions, by result.',
      labelNames: ['result'] as const,
      registers,
    }),
    cacheInvalidations: new Counter({
      name: 'batchwell_cache_invalidations_total',
      help: 'Entries found without their outputs.',
      registers,
    }),
    awsRequests: new Counter({
      name: 'batchwell_aws_requests_total',
      help: 'Requests to AWS; code is the HTTP status or the error of the connection.',
      labelNames: ['service', 'operation', 'code'] as const,
      registers,
    }),
    awsRequestSeconds: new Histogram({
      name: 'batchwell_aws_request_seconds',
      help: 'Latency of requests to AWS.',
      labelNames: ['service', 'operation'] as const,
      buckets: DURATION_BUCKETS_S,
      registers,
    }),
    awsBudgetWaitSeconds: new Counter({
      name: 'batchwell_aws_budget_wait_seconds_total',
      help: 'Time spent waiting for the fleet’s share of AWS’s rate limits.',
      labelNames: ['service'] as const,
      registers,
    }),
    batchJobs: new Gauge({
      name: 'batchwell_batch_jobs',
      help: 'Jobs of running submissions as last seen in Batch, array children counted singly.',
      labelNames: ['queue', 'status'] as const,
      registers,
    }),
    batchJobsSeen: new Gauge({
      name: 'batchwell_batch_jobs_seen_timestamp_seconds',
      help: 'When this process last counted the jobs of a queue; an older count belongs to another process.',
      labelNames: ['queue'] as const,
      registers,
    }),
    submissions: new Counter({
      name: 'batchwell_submissions_total',
      help: 'SubmitJob calls that Batch took.',
      labelNames: ['kind'] as const,
      registers,
    }),
    submissionTasks: new Histogram({
      name: 'batchwell_submission_tasks',
      help: 'Tasks carried by one submission.',
      buckets: [1, 2, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10_000],
      registers,
    }),
    pollRequests: new Counter({
      name: 'batchwell_poll_requests_total',
      help: 'Requests made to watch Batch and the result records.',
      labelNames: ['service'] as const,
      registers,
    }),
    pollChanges: new Counter({
      name: 'batchwell_poll_changes_total',
      help: 'Ends of attempts found by watching; changes per request is the efficiency of polling.',
      registers,
    }),
    failures: new Counter({
      name: 'batchwell_failures_total',
      help: 'Failed tasks, by reason.',
      labelNames: ['reason'] as const,
      registers,
    }),
    retries: new Counter({
      name: 'batchwell_retries_total',
      help: 'Attempts made again, by reason.',
      labelNames: ['reason'] as const,
      registers,
    }),
    dependencyUp: new Gauge({
      name: 'batchwell_dependency_up',
      help: '1 when what this process needs answered at the last look, else 0.',
      labelNames: ['dependency'] as const,
      registers,
    }),
    jobEvents: new Counter({
      name: 'batchwell_job_events_total',
      help: 'Batch job events that came through SQS, by what they said.',
      labelNames: ['kind'] as const,
      registers,
    }),
    janitorJobs: new Counter({
      name: 'batchwell_janitor_jobs_total',
      help: 'Unfinished Batch jobs of our name that the janitor saw: twins and unwanted ones were ended, strangers belong to no row.',
      labelNames: ['verdict'] as const,
      registers,
    }),
    eventStreams: new Gauge({
      name: 'batchwell_event_streams',
      help: 'Event streams that are open on this process.',
      registers,
    }),
    webhookTries: new Counter({
      name: 'batchwell_webhook_tries_total',
      help: 'Tries to deliver to webhooks, by what came of them; dead is given up.',
      labelNames: ['outcome'] as const,
      registers,
    }),
    webhookPending: new Gauge({
      name: 'batchwell_webhook_pending_deliveries',
      help: 'What webhooks are still to be told.',
      registers,
    }),
    logFollows: new Gauge({
      name: 'batchwell_log_follows',
      help: 'Logs that this process of the API follows for somebody.',
      registers,
    }),
    swept: new Counter({
      name: 'batchwell_swept_rows_total',
      help: 'Rows that stood still and were nudged again: tasks by stage, and submissions.',
      labelNames: ['what'] as const,
      registers,
    }),
  };
  startAtZero(metrics);
  return metrics;
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Counts tasks that left a stage, and their coming into the next one. */
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

function startAtZero(metrics: Metrics): void {
  startStagesAtZero(metrics);
  for (const kind of acceptedKinds) metrics.tasksAccepted.inc({ kind }, 0);
  for (const place of endPlaces) metrics.tasksEnded.inc({ place }, 0);
  for (const result of cacheResults) metrics.cacheLookups.inc({ result }, 0);
  for (const reason of Object.keys(failureKinds)) metrics.failures.inc({ reason }, 0);
  for (const reason of retryReasons) metrics.retries.inc({ reason }, 0);
  for (const kind of ['single', 'array']) metrics.submissions.inc({ kind }, 0);
  for (const service of ['s3', 'batch']) metrics.pollRequests.inc({ service }, 0);
  for (const service of ['s3', 'batch']) metrics.awsBudgetWaitSeconds.inc({ service }, 0);
  startWatchersAtZero(metrics);
}

/** What looks after the fleet beside its stages. */
function startWatchersAtZero(metrics: Metrics): void {
  for (const kind of jobEventKinds) metrics.jobEvents.inc({ kind }, 0);
  for (const verdict of janitorVerdicts) metrics.janitorJobs.inc({ verdict }, 0);
  for (const outcome of webhookOutcomes) metrics.webhookTries.inc({ outcome }, 0);
  for (const what of sweptKinds) metrics.swept.inc({ what }, 0);
}

function startStagesAtZero(metrics: Metrics): void {
  for (const stage of stages) {
    metrics.stageEntered.inc({ stage }, 0);
    metrics.queueOldestSeconds.set({ stage }, 0);
    for (const outcome of messageOutcomes) metrics.messages.inc({ stage, outcome }, 0);
    for (const state of ['waiting', 'delayed', 'active', 'failed'])
      metrics.queueDepth.set({ stage, state }, 0);
  }
  for (const [move, { from }] of Object.entries(moves))
    for (const stage of from) metrics.stageMoved.inc({ stage, move }, 0);
}
