import { countsFromFirst, percentiles, rate, type Row } from '../panel.ts';

export const aws: Row = {
  title: 'AWS',
  panels: [
    {
      title: 'Requests',
      unit: 'reqps',
      width: 8,
      description:
        'Requests per second, including the retries of the SDK. All Batch requests of an ' +
        'account and Region share one limit of 50 per second. If the rate rises without more ' +
        'tasks, see BatchwellAwsThrottled in the runbook.',
      queries: [
        {
          expression: `sum by (service, operation) (${rate('batchwell_aws_requests_total')})`,
          legend: '{{service}} {{operation}}',
        },
      ],
    },
    {
      title: 'Answers other than 2xx',
      unit: 'short',
      draw: 'bars',
      width: 8,
      description:
        'Answers per bar, by code. A code that is not a number is an error of the connection. 429 and 503 are ' +
        'throttling, 403 is a missing permission. 412 and 304 are normal for conditional requests, 404 for ' +
        'objects that may not exist.' +
        ' If others last, see BatchwellAwsErrors and BatchwellAwsDenied in the runbook.',
      queries: [
        {
          expression: `sum by (service, operation, code) (${countsFromFirst('batchwell_aws_requests_total', '{code!~"2.."}')}) > 0`,
          legend: '{{service}} {{operation}} {{code}}',
        },
      ],
    },
    {
      title: 'Latency',
      unit: 's',
      width: 8,
      description:
        'Seconds per request. Seconds for small objects in S3 point to the network of the ' +
        'workers. When SubmitJob comes near 15 s, it times out and the job name is listed ' +
        'instead. Nothing is lost, but submissions are slow.' +
        ' If one operation is slow alone, look at the health page of AWS.',
      queries: percentiles('batchwell_aws_request_seconds', 'service, operation'),
    },
    {
      title: 'Throttled share',
      unit: 'percentunit',
      width: 8,
      description:
        'Share of requests that were answered with 429 or 503. If it is above 5% for minutes, ' +
        'see BatchwellAwsThrottled in the runbook. Another client of the same account may use ' +
        'up the limit.',
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
        'Average number of requests that wait for the rate limit that the fleet sets itself. If ' +
        'it stays above 5, BATCHWELL_BATCH_PER_SECOND is too low or tasks are packed badly (see ' +
        '"Tasks per submission"): see BatchwellBudgetWaitGrows in the runbook.',
      queries: [
        {
          expression: `sum by (service) (${rate('batchwell_aws_budget_wait_seconds_total')})`,
          legend: '{{service}}',
        },
      ],
    },
    {
      title: 'Requests per ended task',
      unit: 'short',
      width: 8,
      description:
        'Over the last hour, including cache hits. At 1,000 tasks per scatter, Batch requests ' +
        'should stay below 0.02. Values near 1 mean many scatters of one task each, or tasks of ' +
        'different shapes (resources, image or queue).' +
        ' If it is near 1, let callers send scatters with equal resources.',
      queries: [
        {
          expression:
            'sum by (service) (increase(batchwell_aws_requests_total[1h])) / ' +
            'scalar(sum(increase(batchwell_tasks_ended_total[1h])) > 0)',
          legend: '{{service}}',
        },
      ],
    },
  ],
};
