/** What AWS Batch does with the jobs, and whether requests to AWS succeed. */
import { ofQueue, type Plan, type Row } from '../panel.ts';
import { aws } from '../rows/aws.ts';
import { batch } from '../rows/batch.ts';
import { failures } from '../rows/failures.ts';
import { eventsAndJanitor } from '../rows/events.ts';

const waiting: Row = {
  title: 'Waiting for capacity',
  panels: [
    {
      title: 'Jobs by status',
      unit: 'short',
      width: 12,
      stacked: true,
      description:
        'Jobs of running submissions as last seen in Batch. Each child of an array counts. There is ' +
        'no line if no worker polls. If jobs stay RUNNABLE for minutes and none is RUNNING, see ' +
        'BatchwellNothingStarts in the runbook.',
      queries: [
        {
          expression: `sum by (queue, status) (batchwell:batch_jobs:last_seen${ofQueue})`,
          legend: '{{queue}} {{status}}',
        },
      ],
    },
    {
      title: 'Longest wait for a start',
      unit: 's',
      width: 6,
      thresholds: { yellow: 1800, red: 7200 },
      description:
        'How long the submission that has waited for the longest is with Batch without a start. Above ' +
        'two hours see BatchwellRunnableTooLong in the runbook.',
      queries: [
        {
          expression: `max by (queue) (batchwell_queue_oldest_unstarted_seconds${ofQueue})`,
          legend: '{{queue}}',
        },
      ],
    },
    {
      title: 'Tasks held up by a reason of AWS',
      unit: 'short',
      width: 6,
      description:
        'Tasks for which Batch or a denied request says why they do not start. The reason is in ' +
        '`batchwell status TASK`: see BatchwellQueueBlocked in the runbook.',
      queries: [
        {
          expression: `max by (queue) (batchwell_queue_held_up_tasks${ofQueue})`,
          legend: '{{queue}}',
        },
      ],
    },
    {
      title: 'Wait in Batch',
      unit: 's',
      width: 12,
      description:
        'From SubmitJob to the start of the container, of tasks that ended in the last 10 minutes. ' +
        'Minutes are normal while hosts start. If it is hours, add instance types or zones.',
      queries: [0.5, 0.95].map((share) => ({
        expression: `histogram_quantile(${share}, sum by (le) (increase(batchwell_task_span_seconds_bucket{span="submitted-started"}[10m])))`,
        legend: `p${share * 100}`,
      })),
    },
    {
      title: 'Run time',
      unit: 's',
      width: 12,
      description:
        'From the start of the container to its last action, of tasks that ended in the last 10 ' +
        'minutes. If it grows for the same tasks, hosts are crowded or S3 is slow.',
      queries: [0.5, 0.95].map((share) => ({
        expression: `histogram_quantile(${share}, sum by (le) (increase(batchwell_task_span_seconds_bucket{span="started-ended"}[10m])))`,
        legend: `p${share * 100}`,
      })),
    },
  ],
};

export const batchAndCapacity: Plan = {
  uid: 'batchwell-batch',
  title: 'Batchwell: Batch and capacity',
  description: 'Is it Batch or us: waits for capacity, submissions, retries, and requests to AWS.',
  variables: ['queue'],
  rows: [waiting, batch, failures, aws, eventsAndJanitor],
};
