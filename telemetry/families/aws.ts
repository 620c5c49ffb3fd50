import type { Registry } from 'prom-client';
import { counter, DURATION_BUCKETS_S, withLabel, histogram } from '../series.ts';

export const awsServices = ['s3', 'batch'] as const;

const unprovenKinds = ['result', 'owner', 'manifest', 'lease'] as const;
/** Calls without which tasks stand still. */
const deniable = [
  ...['SubmitJob', 'RegisterJobDefinition', 'ListJobs', 'DescribeJobs', 'TerminateJob'].map(
    (operation) => ({ service: 'batch', operation }),
  ),
  { service: 's3', operation: 'PutObject' },
];

/** Operations of most fleets, and answers that alerts and panels look for: the first one must count too. */
const operations = {
  batch: [
    'SubmitJob',
    'RegisterJobDefinition',
    'DeregisterJobDefinition',
    'ListJobs',
    'DescribeJobs',
    'DescribeJobQueues',
    'TerminateJob',
  ],
  s3: ['PutObject', 'GetObject', 'HeadObject', 'ListObjectsV2', 'CopyObject'],
} as const;
const troubles = { batch: ['403', '429', '500'], s3: ['403', '500', '503'] } as const;
const watched = awsServices.flatMap((service) =>
  operations[service].flatMap((operation) =>
    troubles[service].map((code) => ({ service, operation, code })),
  ),
);

const blockReasons = ['denied', 'queue-off', 'not-sent'] as const;

export const awsMetrics = (registers: Registry[]) => ({
  unprovenObjects: counter({
    name: 'batchwell_unproven_objects_total',
    help: "Objects among a submission's own that carry no proof of it: somebody else wrote them.",
    labels: ['kind'],
    startsAt: withLabel('kind', unprovenKinds),
    registers,
  }),
  awsRequests: counter({
    name: 'batchwell_aws_requests_total',
    help: 'Requests to AWS. The code is the HTTP status, or the error of the connection.',
    labels: ['service', 'operation', 'code'],
    startsAt: watched,
    registers,
  }),
  awsDenied: counter({
    name: 'batchwell_aws_denied_total',
    help:
      'Calls to AWS that a missing permission or bad credentials denied: those to Batch, and the ' +
      'writes of scripts and manifests to S3.',
    labels: ['service', 'operation'],
    startsAt: deniable,
    registers,
  }),
  submissionsBlocked: counter({
    name: 'batchwell_submissions_blocked_total',
    help:
      'How many times a submission was put off because AWS denied a request, an operator disabled ' +
      'its queue, or AWS could not be reached.',
    labels: ['because'],
    startsAt: withLabel('because', blockReasons),
    registers,
  }),
  awsRequestSeconds: histogram({
    name: 'batchwell_aws_request_seconds',
    help: 'Latency of requests to AWS.',
    labels: ['service', 'operation'],
    buckets: DURATION_BUCKETS_S,
    registers,
  }),
  awsBudgetWaitSeconds: counter({
    name: 'batchwell_aws_budget_wait_seconds_total',
    help: 'Time that requests waited for the rate limit that the fleet sets itself.',
    labels: ['service'],
    startsAt: withLabel('service', awsServices),
    registers,
  }),
});
