import { counts, rate, type Row } from '../panel.ts';

export const batch: Row = {
  title: 'Submissions, jobs and polling',
  panels: [
    {
      title: 'Submissions',
      unit: 'short',
      draw: 'bars',
      width: 6,
      description:
        'SubmitJob requests that Batch accepted. Many single jobs during a wide ' +
        'scatter mean that its tasks differ in shape, or arrive too slowly to be packed ' +
        '(BATCHWELL_PACK_IDLE_MS).' +
        ' If so, raise it, or submit the tasks as one scatter.',
      queries: [
        {
          expression: `sum by (kind) (${counts('batchwell_submissions_total')})`,
          legend: '{{kind}}',
        },
      ],
    },
    {
      title: 'Tasks per submission',
      unit: 'short',
      width: 6,
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
      title: 'Polling requests',
      unit: 'reqps',
      width: 6,
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
      width: 6,
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
