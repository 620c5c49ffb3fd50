import { ofQueue, rate, type Row } from '../panel.ts';

export const batch: Row = {
  title: 'Submissions, jobs and polling',
  panels: [
    {
      title: 'Submissions',
      unit: 'ops',
      width: 8,
      description:
        'SubmitJob requests per second that Batch accepted. Many single jobs during a wide ' +
        'scatter mean that its tasks differ in shape, or arrive too slowly to be packed ' +
        '(BATCHWELL_PACK_IDLE_MS).',
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
      description:
        'Mean over 10 minutes. If it is near 1 during a wide scatter, see "Submissions".',
      queries: [
        {
          expression:
            'sum(increase(batchwell_submission_tasks_sum[10m])) / ' +
            'sum(increase(batchwell_submission_tasks_count[10m]))',
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
        'Jobs of running submissions as last seen in Batch. Each child of an array counts. ' +
        'There is no line if no worker polls. If jobs stay RUNNABLE for minutes and none is ' +
        'RUNNING, see BatchwellNothingStarts in the runbook.',
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
        'Requests per second to poll jobs and result records. They depend on the number of ' +
        'queues and of submissions that change, not on the number of tasks. Raise ' +
        'BATCHWELL_POLL_MS to send fewer.',
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
        'The efficiency of polling, over 10 minutes. If it is near 0 while many jobs run, the ' +
        'tasks are long, and a higher BATCHWELL_POLL_MS costs little.',
      queries: [
        {
          expression:
            'sum(increase(batchwell_poll_changes_total[10m])) / ' +
            'sum(increase(batchwell_poll_requests_total[10m]))',
          legend: 'ends per request',
        },
      ],
    },
  ],
};
