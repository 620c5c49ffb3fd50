/**
 * What operators see, as data: `npm run generate` makes the dashboard of it. Every process tells the depth of every
 * queue, so depths are a `max`; counters belong to their process, so they are a `sum`.
 */

export interface Query {
  /** PromQL; may use $__rate_interval and the variables $stage and $queue. */
  expression: string;
  /** Name of its lines; {{label}} stands for a label's value. */
  legend: string;
}

export interface Panel {
  title: string;
  /** What it shows, and what to do when it looks bad. */
  description: string;
  /** Grafana's name of the unit. */
  unit: 'ops' | 'reqps' | 'short' | 's' | 'percentunit' | 'bytes';
  queries: readonly Query[];
  /** Columns of 24. */
  width: 6 | 8 | 12;
  stacked?: boolean;
  /** May be below 0. */
  signed?: boolean;
}

export interface Row {
  title: string;
  panels: readonly Panel[];
}

const rate = (metric: string, selector = '') => `rate(${metric}${selector}[$__rate_interval])`;
const ofStage = '{stage=~"$stage"}';
const ofQueue = '{queue=~"$queue"}';

/** One line per percentile and label. */
const percentiles = (metric: string, labels: string, selector = ''): Query[] =>
  [0.5, 0.95, 0.99].map((share) => ({
    expression: `histogram_quantile(${share}, sum by (le, ${labels}) (${rate(`${metric}_bucket`, selector)}))`,
    legend: `p${share * 100} ${labels
      .split(', ')
      .map((label) => `{{${label}}}`)
      .join(' ')}`,
  }));

const throughput: Row = {
  title: 'Throughput: a scatter on its way',
  panels: [
    {
      title: 'Tasks accepted',
      unit: 'ops',
      width: 8,
      stacked: true,
      description:
        'Tasks/s that the API committed. Flat at 0 while callers push: look at readyz of the API and at its log; a full database or a lost MySQL refuses with 503.',
      queries: [
        {
          expression: `sum by (kind) (${rate('batchwell_tasks_accepted_total')})`,
          legend: '{{kind}}',
        },
      ],
    },
    {
      title: 'Tasks coming into a stage',
      unit: 'ops',
      width: 8,
      description:
        'Tasks/s by the stage they come into; entries made by the API or by a move. A stage whose line stays above its "leaving" line is the bottleneck: give it workers (docker compose up --scale worker-STAGE=3).',
      queries: [
        {
          expression: `sum by (stage) (${rate('batchwell_stage_entered_tasks_total', ofStage)})`,
          legend: '{{stage}}',
        },
      ],
    },
    {
      title: 'Tasks leaving a stage',
      unit: 'ops',
      width: 8,
      description:
        'Tasks/s by stage and move. `again` is a retry after a lost host or out of memory, `hit-lost` a cache entry without its outputs. No move at all while messages wait: runbook, BatchwellStageStandsStill.',
      queries: [
        {
          expression: `sum by (stage, move) (${rate('batchwell_stage_moved_tasks_total', ofStage)}) > 0`,
          legend: '{{stage}} {{move}}',
        },
      ],
    },
    {
      title: 'Tasks ended',
      unit: 'ops',
      width: 8,
      stacked: true,
      description:
        'Tasks/s that came to their end. Failed ones above a few: see "Failures by reason" for whose fault it is.',
      queries: [
        {
          expression: `sum by (place) (${rate('batchwell_tasks_ended_total')})`,
          legend: '{{place}}',
        },
      ],
    },
    {
      title: 'From acceptance to done',
      unit: 's',
      width: 8,
      description:
        'Seconds a task that ended well took, its run included. Long while queues are empty: Batch has no room (see "Batch jobs by status"), or the tasks themselves are long.',
      queries: percentiles('batchwell_task_seconds', 'place'),
    },
    {
      title: 'Accepted minus ended, last hour',
      unit: 'short',
      width: 8,
      signed: true,
      description:
        'How the number of tasks under way changed in an hour. Above 0 and growing: more comes in than Batch can run. This is load, not a fault, unless a queue below stands still.',
      queries: [
        {
          expression:
            'sum(increase(batchwell_tasks_accepted_total[1h])) - sum(increase(batchwell_tasks_ended_total[1h]))',
          legend: 'tasks',
        },
      ],
    },
  ],
};

const queues: Row = {
  title: 'Where tasks stand and wait',
  panels: [
    {
      title: 'Queue depth',
      unit: 'short',
      width: 8,
      description:
        'Messages by stage and state; one carries up to 250 tasks. `waiting` that only grows: runbook, BatchwellStageStandsStill. `failed` above 0: read why on the queue board, runbook BatchwellMessagesLaidAside.',
      queries: [
        {
          expression: `max by (stage, state) (batchwell_queue_messages${ofStage})`,
          legend: '{{stage}} {{state}}',
        },
      ],
    },
    {
      title: 'Oldest waiting message',
      unit: 's',
      width: 8,
      description:
        'Seconds the first message of each queue has waited. Minutes: runbook, BatchwellOldestMessageTooOld.',
      queries: [
        {
          expression: `max by (stage) (batchwell_queue_oldest_seconds${ofStage})`,
          legend: '{{stage}}',
        },
      ],
    },
    {
      title: 'Wait in the queue',
      unit: 's',
      width: 8,
      description:
        'Seconds until a message was first taken. High with idle CPUs: raise --concurrency; high with busy CPUs: start more workers of that stage.',
      queries: percentiles('batchwell_message_wait_seconds', 'stage', ofStage),
    },
    {
      title: 'Time worked on a message',
      unit: 's',
      width: 8,
      description:
        'Seconds a stage worked on one message. A rise in every stage is MySQL; in stage-script and cache-check S3; in submit and poll Batch: compare with the AWS latencies below.',
      queries: percentiles('batchwell_message_seconds', 'stage', ofStage),
    },
    {
      title: 'Messages by outcome',
      unit: 'ops',
      width: 8,
      description:
        'Messages/s. `wait` is usual for poll and submit, which look again later. `error` is not: runbook, BatchwellMessagesFailing.',
      queries: [
        {
          expression: `sum by (stage, outcome) (${rate('batchwell_messages_total', ofStage)})`,
          legend: '{{stage}} {{outcome}}',
        },
      ],
    },
    {
      title: 'Nudged by the sweeper',
      unit: 'ops',
      width: 8,
      description:
        'Rows/s that stood still for BATCHWELL_STALL_MS. At cache-check equal calls that wait for each other are usual. Elsewhere messages were lost or a stage is far behind: runbook, BatchwellSweeperNudgesMuch.',
      queries: [
        { expression: `sum by (what) (${rate('batchwell_swept_rows_total')})`, legend: '{{what}}' },
      ],
    },
    {
      title: 'Job events',
      unit: 'ops',
      width: 8,
      description:
        'Events/s of Batch through SQS, where BATCHWELL_JOB_EVENTS_URL is set. Without any while jobs end, EventBridge’s rule or the queue’s policy is wrong; results are then seen at the slowest pace.',
      queries: [
        { expression: `sum by (kind) (${rate('batchwell_job_events_total')})`, legend: '{{kind}}' },
      ],
    },
    {
      title: 'Jobs that nobody wants',
      unit: 'short',
      width: 8,
      description:
        'Batch jobs of our name in the last hour that the janitor ended (twin, unwanted) or that no row knows (stranger): runbook, BatchwellUnknownJobs.',
      queries: [
        {
          expression:
            'sum by (verdict) (increase(batchwell_janitor_jobs_total{verdict!="wanted"}[1h]))',
          legend: '{{verdict}}',
        },
      ],
    },
  ],
};

const aws: Row = {
  title: 'AWS',
  panels: [
    {
      title: 'Requests',
      unit: 'reqps',
      width: 8,
      description:
        'Every try/s, also those that the SDK made again. Batch counts against one limit of 50/s per account and Region; a rise without more tasks: runbook, BatchwellAwsThrottled.',
      queries: [
        {
          expression: `sum by (service, operation) (${rate('batchwell_aws_requests_total')})`,
          legend: '{{service}} {{operation}}',
        },
      ],
    },
    {
      title: 'Answers other than 2xx',
      unit: 'reqps',
      width: 8,
      description:
        'Answers/s by code, or the error of the connection. 429 and 503 are throttling, 403 a missing right, 412 and 304 are usual for conditional requests, 404 for objects that are looked for.',
      queries: [
        {
          expression: `sum by (service, operation, code) (${rate('batchwell_aws_requests_total', '{code!~"2.."}')}) > 0`,
          legend: '{{service}} {{operation}} {{code}}',
        },
      ],
    },
    {
      title: 'Latency',
      unit: 's',
      width: 8,
      description:
        'Seconds per request. Seconds in S3 with small objects: the network of the workers. SubmitJob near 15 s: answers are given up and resolved by listing; nothing is lost, but it is slow.',
      queries: percentiles('batchwell_aws_request_seconds', 'service, operation'),
    },
    {
      title: 'Throttled share',
      unit: 'percentunit',
      width: 8,
      description:
        'Share of requests answered 429 or 503. Above 5% for minutes: runbook, BatchwellAwsThrottled. Someone else may use the same account’s limit.',
      queries: [
        {
          expression: `sum by (service) (${rate('batchwell_aws_requests_total', '{code=~"429|503"}')}) / sum by (service) (${rate('batchwell_aws_requests_total')})`,
          legend: '{{service}}',
        },
      ],
    },
    {
      title: 'Requests waiting for the fleet’s budget',
      unit: 'short',
      width: 8,
      description:
        'Requests that wait at a time, on average. Above 5 for long: BATCHWELL_BATCH_PER_SECOND is too low or tasks are packed badly (see "Tasks per submission"): runbook, BatchwellBudgetWaitGrows.',
      queries: [
        {
          expression: `sum by (service) (${rate('batchwell_aws_budget_wait_seconds_total')})`,
          legend: '{{service}}',
        },
      ],
    },
    {
      title: 'Requests per task ended',
      unit: 'short',
      width: 8,
      description:
        'Over an hour, cache hits included. Batch at 1,000 wide should stay below 0.02. Near 1 and above: many scatters of one task each, or shapes that differ (resources, image or queue).',
      queries: [
        {
          expression:
            'sum by (service) (increase(batchwell_aws_requests_total[1h])) / scalar(sum(increase(batchwell_tasks_ended_total[1h])) > 0)',
          legend: '{{service}}',
        },
      ],
    },
  ],
};

const cache: Row = {
  title: 'Call cache',
  panels: [
    {
      title: 'Hit ratio',
      unit: 'percentunit',
      width: 8,
      description:
        'Hits among decisions that had the cache on. Low on a run that should hit: `batchwell cache explain TASK OTHER` tells which part of the fingerprint differs.',
      queries: [
        {
          expression: `sum(${rate('batchwell_cache_lookups_total', '{result="hit"}')}) / sum(${rate('batchwell_cache_lookups_total', '{result=~"hit|miss|unreadable-input"}')})`,
          legend: 'hits',
        },
      ],
    },
    {
      title: 'Decisions',
      unit: 'ops',
      width: 8,
      stacked: true,
      description:
        'Decisions/s. `wait`: the same call is in flight. `unreadable-input`: an input is not there or may not be read by the workers, so the task runs and says so itself.',
      queries: [
        {
          expression: `sum by (result) (${rate('batchwell_cache_lookups_total')})`,
          legend: '{{result}}',
        },
      ],
    },
    {
      title: 'Entries invalidated',
      unit: 'ops',
      width: 8,
      description:
        'Entries/s found without their outputs. Many: somebody, or a lifecycle rule of the bucket, deletes or rewrites outputs that the cache points at. The tasks run anew.',
      queries: [
        {
          expression: `sum(${rate('batchwell_cache_invalidations_total')})`,
          legend: 'invalidated',
        },
      ],
    },
  ],
};

const batch: Row = {
  title: 'Submissions, jobs and polling',
  panels: [
    {
      title: 'Submissions',
      unit: 'ops',
      width: 8,
      description:
        'SubmitJob calls/s that Batch took. Many single ones under a heavy scatter: its tasks differ in shape, or come in too slowly to be packed (BATCHWELL_PACK_IDLE_MS).',
      queries: [
        {
          expression: `sum by (kind) (${rate('batchwell_submissions_total')})`,
          legend: '{{kind}}',
        },
      ],
    },
    {
      title: 'Tasks per submission',
      unit: 'short',
      width: 8,
      description: 'Mean over 10 minutes. Near 1 under a heavy scatter: see "Submissions".',
      queries: [
        {
          expression:
            'sum(increase(batchwell_submission_tasks_sum[10m])) / sum(increase(batchwell_submission_tasks_count[10m]))',
          legend: 'mean',
        },
      ],
    },
    {
      title: 'Batch jobs by status',
      unit: 'short',
      width: 8,
      stacked: true,
      description:
        'Jobs of running submissions as last seen, array children counted singly; no line when nobody polls. RUNNABLE without RUNNING for minutes: runbook, BatchwellNothingStarts.',
      queries: [
        {
          expression: `sum by (status) (batchwell:batch_jobs:last_seen${ofQueue})`,
          legend: '{{status}}',
        },
      ],
    },
    {
      title: 'Polling requests',
      unit: 'reqps',
      width: 8,
      description:
        'Requests/s made to watch jobs and result records. They should depend on the number of queues and submissions that change, not on that of tasks. Raise BATCHWELL_POLL_MS to spend fewer.',
      queries: [
        {
          expression: `sum by (service) (${rate('batchwell_poll_requests_total')})`,
          legend: '{{service}}',
        },
      ],
    },
    {
      title: 'Ends found per polling request',
      unit: 'short',
      width: 8,
      description:
        'Over 10 minutes; the efficiency of polling. Near 0 with many jobs running: long tasks, so a longer BATCHWELL_POLL_MS costs little.',
      queries: [
        {
          expression:
            'sum(increase(batchwell_poll_changes_total[10m])) / sum(increase(batchwell_poll_requests_total[10m]))',
          legend: 'ends per request',
        },
      ],
    },
  ],
};

const failures: Row = {
  title: 'Failures and retries',
  panels: [
    {
      title: 'Failures by reason',
      unit: 'ops',
      width: 12,
      description:
        'Failed tasks/s. executor-failed, output-missing, out-of-memory and timed-out are the caller’s; host-lost, batch-refused, result-missing and script-unreadable are the fleet’s; internal is a defect. `batchwell status TASK` shows the sentence.',
      queries: [
        {
          expression: `sum by (reason) (${rate('batchwell_failures_total')}) > 0`,
          legend: '{{reason}}',
        },
      ],
    },
    {
      title: 'Attempts made again',
      unit: 'ops',
      width: 12,
      description:
        'Attempts/s. host-lost at a few percent of the throughput is the price of spot; much more: use other instance types or on-demand. out-of-memory: callers ask for too little ram_gb.',
      queries: [
        {
          expression: `sum by (reason) (${rate('batchwell_retries_total')})`,
          legend: '{{reason}}',
        },
      ],
    },
  ],
};

const listeners: Row = {
  title: 'Those who want to be told',
  panels: [
    {
      title: 'Event streams',
      unit: 'short',
      width: 8,
      description:
        'Open streams of /v1/events by API process; each takes up to 2,000. They cost one small read of the database four times a second, whatever their number.',
      queries: [{ expression: 'batchwell_event_streams', legend: '{{instance}}' }],
    },
    {
      title: 'Webhook tries',
      unit: 'ops',
      width: 8,
      stacked: true,
      description:
        'Tries/s by what came of them. `again`: a receiver is away or refuses; `dead`: it was given up after a day: runbook, BatchwellWebhooksGivenUp.',
      queries: [
        {
          expression: `sum by (outcome) (${rate('batchwell_webhook_tries_total')})`,
          legend: '{{outcome}}',
        },
      ],
    },
    {
      title: 'Webhook deliveries that wait',
      unit: 'short',
      width: 8,
      description:
        'What receivers are still to be told. Growing while tries are `delivered`: workers are too few; otherwise a receiver is away, and its owner sees it with `batchwell webhook deliveries`.',
      queries: [{ expression: 'max(batchwell_webhook_pending_deliveries)', legend: 'deliveries' }],
    },
  ],
};

const processes: Row = {
  title: 'Processes',
  panels: [
    {
      title: 'MySQL and Redis answer',
      unit: 'short',
      width: 6,
      description:
        '1 when they answered the process at its last scrape, else 0: runbook, BatchwellMysqlAway and BatchwellRedisAway.',
      queries: [
        { expression: 'batchwell_dependency_up', legend: '{{job}} {{instance}} {{dependency}}' },
      ],
    },
    {
      title: 'Event-loop lag, p99',
      unit: 's',
      width: 6,
      description:
        'Seconds a ready callback waited. Above 0.5 for minutes: the process is short of CPU; start more of them: runbook, BatchwellProcessOverloaded.',
      queries: [
        {
          expression: 'batchwell_nodejs_eventloop_lag_p99_seconds',
          legend: '{{job}} {{instance}}',
        },
      ],
    },
    {
      title: 'Memory',
      unit: 'bytes',
      width: 6,
      description:
        'Resident bytes, and those on the JavaScript heap. A worker should stay below 300 MB; steady growth over hours is a leak: restart it (nothing is lost) and report it.',
      queries: [
        {
          expression: 'batchwell_process_resident_memory_bytes',
          legend: '{{job}} {{instance}} resident',
        },
        {
          expression: 'batchwell_nodejs_heap_size_used_bytes',
          legend: '{{job}} {{instance}} heap',
        },
      ],
    },
    {
      title: 'CPU',
      unit: 'short',
      width: 6,
      description:
        'Cores used. JavaScript runs on one: a process near 1 is at its limit, and another one helps.',
      queries: [
        { expression: rate('batchwell_process_cpu_seconds_total'), legend: '{{job}} {{instance}}' },
      ],
    },
    {
      title: 'Logs followed',
      unit: 'short',
      width: 6,
      description:
        'Replies to logs?follow=true that are open, by process of the API. One more than 200 is refused with 503: start another process of the API.',
      queries: [{ expression: 'batchwell_log_follows', legend: '{{job}} {{instance}}' }],
    },
  ],
};

export const rows: readonly Row[] = [
  throughput,
  queues,
  aws,
  cache,
  batch,
  failures,
  listeners,
  processes,
];
