import { ofQueue, rate, type Row } from '../panel.ts';

export const batch: Row = {
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
