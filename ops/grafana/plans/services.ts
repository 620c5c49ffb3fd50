/** The API, MySQL and Redis, and the processes themselves. */
import { counts, countsFromFirst, percentiles, rate, type Plan, type Row } from '../panel.ts';
import { notifications } from '../rows/notifications.ts';
import { processes } from '../rows/processes.ts';

const NO_PROBES = '{route!~"/metrics|/healthz|/readyz"}';

const api: Row = {
  title: 'API',
  panels: [
    {
      title: 'Answers of the API',
      unit: 'short',
      width: 8,
      draw: 'bars',
      description:
        'Requests per bar by code. `aborted`: the client left before the reply. If there are many ' +
        '4xx, a client is wrong: the log names route and owner. If there are 5xx, see ' +
        'BatchwellErrorBudgetFast in the runbook.',
      queries: [
        {
          expression: `sum by (code) (${counts('batchwell_http_requests_total')})`,
          legend: '{{code}}',
        },
      ],
    },
    {
      title: 'Failed answers by route',
      unit: 'short',
      width: 8,
      draw: 'bars',
      description:
        'Answers 4xx and 5xx per bar. If one route has all of the 5xx, its log line request-failed ' +
        'has the error. If all routes have 503, MySQL is away.',
      queries: [
        {
          expression: `sum by (route, method, code) (${countsFromFirst('batchwell_http_requests_total', '{code=~"[45].*"}')}) > 0`,
          legend: '{{method}} {{route}} {{code}}',
        },
      ],
    },
    {
      title: 'Share of the error budget',
      unit: 'percentunit',
      decimals: 3,
      softMax: 0.02,
      width: 8,
      thresholds: { yellow: 0.006, red: 0.0144 },
      description:
        'Share of requests that got 5xx, over one and six hours. The goal is 0.1%. Above the lines, ' +
        'see BatchwellErrorBudgetFast and BatchwellErrorBudgetSlow in the runbook.',
      queries: [
        { expression: 'batchwell:http_errors:ratio_rate1h', legend: 'last hour' },
        { expression: 'batchwell:http_errors:ratio_rate6h', legend: 'last 6 hours' },
      ],
    },
    {
      title: 'Latency by route',
      softMax: 0.1,
      unit: 's',
      width: 12,
      description:
        'p95 of the five slowest routes, without replies that last. If all are slow, MySQL or the ' +
        'process is: see BatchwellApiSlow in the runbook.',
      queries: [
        {
          expression: `topk(5, histogram_quantile(0.95, sum by (le, route, method) (${rate('batchwell_http_request_seconds_bucket', NO_PROBES)})))`,
          legend: '{{method}} {{route}}',
        },
      ],
    },
    {
      title: 'Requests in progress',
      unit: 'short',
      width: 12,
      thresholds: { yellow: 50 },
      description:
        'Requests that have no answer yet, by process. If it stays above 50, requests hang: see ' +
        'BatchwellApiSlow in the runbook.',
      queries: [
        {
          expression: 'batchwell_http_requests_in_progress{job="batchwell-api"}',
          legend: '{{instance}}',
        },
      ],
    },
  ],
};

const stores: Row = {
  title: 'MySQL and Redis',
  panels: [
    {
      title: 'Connections to MySQL',
      unit: 'percentunit',
      width: 8,
      thresholds: { yellow: 0.9 },
      description:
        'Share of its pool that each process uses at the scrape. At 100% with statements that wait, ' +
        'see BatchwellPoolExhausted in the runbook.',
      queries: [
        {
          expression:
            'batchwell_database_connections{state="used"} / on (job, instance) batchwell_database_connections_limit',
          legend: '{{job}} {{instance}}',
        },
      ],
    },
    {
      title: 'Statements waiting for a connection',
      unit: 'short',
      width: 8,
      description:
        'If it is above 0 all the time, the pool is too small or MySQL is too slow: see ' +
        'BatchwellPoolExhausted in the runbook.',
      queries: [
        {
          expression: 'batchwell_database_connections{state="waited-for"}',
          legend: '{{job}} {{instance}}',
        },
      ],
    },
    {
      title: 'Memory of Redis',
      unit: 'bytes',
      width: 8,
      description:
        'Used, and the limit (0 where there is none). Above 70% of the limit, see ' +
        'BatchwellRedisMemory in the runbook.',
      queries: [{ expression: 'max by (what) (batchwell_redis_memory_bytes)', legend: '{{what}}' }],
    },
  ],
};

const expiry: Row = {
  title: 'What ends by a date',
  collapsed: true,
  panels: [
    {
      title: 'Credentials end in',
      unit: 's',
      width: 12,
      description:
        'Of credentials that end. Those of a role are renewed about five minutes before. If it falls ' +
        'to 0, see BatchwellCredentialsEnd in the runbook. No line: they do not end.',
      queries: [
        {
          expression: '(batchwell_credentials_end_timestamp_seconds > 0) - time()',
          legend: '{{job}} {{instance}}',
        },
      ],
    },
    {
      title: 'Certificate ends in',
      unit: 's',
      width: 12,
      description:
        'Of the API, where it serves HTTPS. Within 14 days see BatchwellCertificateEnds in the ' +
        'runbook. No line: it serves HTTP.',
      queries: [
        {
          expression: '(batchwell_certificate_end_timestamp_seconds > 0) - time()',
          legend: '{{instance}}',
        },
      ],
    },
  ],
};

const replies: Row = {
  title: 'Percentiles of the API',
  collapsed: true,
  panels: [
    {
      title: 'Latency by method',
      unit: 's',
      width: 24,
      description:
        'p50 and p95. If only POST is slow, MySQL commits slowly; if GET is, reads are. See ' +
        'BatchwellApiSlow in the runbook.',
      queries: percentiles('batchwell_http_request_seconds', 'method'),
    },
  ],
};

export const services: Plan = {
  uid: 'batchwell-services',
  title: 'Batchwell: API, MySQL and Redis',
  description: 'Requests, stores and processes.',
  variables: [],
  rows: [api, stores, processes, { ...notifications, collapsed: true }, expiry, replies],
};
