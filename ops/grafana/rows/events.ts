import { counts, type Row } from '../panel.ts';

export const eventsAndJanitor: Row = {
  title: 'Job events and the janitor',
  collapsed: true,
  panels: [
    {
      title: 'Job events',
      unit: 'short',
      draw: 'bars',
      width: 12,
      description:
        'Batch job events through SQS, if BATCHWELL_JOB_EVENTS_URL is set. If there ' +
        'are none while jobs end, check the EventBridge rule and the queue policy. Until then, ' +
        'results are seen only every BATCHWELL_POLL_SLOWEST_MS.',
      queries: [
        {
          expression: `sum by (kind) (${counts('batchwell_job_events_total')})`,
          legend: '{{kind}}',
        },
      ],
    },
    {
      title: 'Unneeded Batch jobs',
      unit: 'short',
      width: 12,
      description:
        'Batch jobs with a name of this fleet in the last hour that the janitor terminated ' +
        'because they were not needed (`twin`, `unwanted`) or because no row knows them ' +
        '(`orphan`). See BatchwellUnknownJobs in ' +
        'the runbook. Also the looks at a queue that failed, or that AWS Batch does not have.',
      queries: [
        {
          expression:
            'sum by (verdict) (increase(batchwell_janitor_jobs_total{verdict!="wanted"}[1h]))',
          legend: '{{verdict}}',
        },
        {
          expression:
            'sum by (outcome) (increase(batchwell_janitor_queues_total{outcome!="tidied"}[1h]))',
          legend: 'queue {{outcome}}',
        },
      ],
    },
  ],
};
