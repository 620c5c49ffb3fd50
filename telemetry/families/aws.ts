import type { Registry } from 'prom-client';
import { counter, DURATION_BUCKETS_S, withLabel, histogram } from '../series.ts';

export const awsServices = ['s3', 'batch'] as const;

const unprovenKinds = ['result', 'owner', 'manifest'] as const;

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
