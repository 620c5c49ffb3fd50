import { percentiles, rate, type Row } from '../panel.ts';

export const aws: Row = {
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
