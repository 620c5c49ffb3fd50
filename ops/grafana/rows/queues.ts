import { ofStage, percentiles, rate, type Row } from '../panel.ts';

export const queues: Row = {
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
