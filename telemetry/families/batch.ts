import type { Registry } from 'prom-client';
import { janitorOutcomes, janitorVerdicts } from '../../core/submission/is-wanted.ts';
import { counter, withLabel, gauge, histogram } from '../series.ts';
import { awsServices } from './aws.ts';

const submissionKinds = ['single', 'array'] as const;
const jobEventKinds = ['ended', 'other', 'malformed'] as const;

export const batchMetrics = (registers: Registry[]) => ({
  batchJobs: gauge({
    name: 'batchwell_batch_jobs',
    help: 'Jobs of running submissions as last seen in Batch. Each child of an array counts.',
    labels: ['queue', 'status'],
    registers,
  }),
  batchJobsSeen: gauge({
    name: 'batchwell_batch_jobs_seen_timestamp_seconds',
    help:
      'When this process last counted the jobs of a queue. Of several processes, the latest ' +
      'count is true.',
    labels: ['queue'],
    registers,
  }),
  submissions: counter({
    name: 'batchwell_submissions_total',
    help: 'SubmitJob requests that Batch accepted.',
    labels: ['kind'],
    startsAt: withLabel('kind', submissionKinds),
    registers,
  }),
  submissionTasks: histogram({
    name: 'batchwell_submission_tasks',
    help: 'Tasks in one submission.',
    buckets: [1, 2, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10_000],
    registers,
  }),
  pollRequests: counter({
    name: 'batchwell_poll_requests_total',
    help: 'Requests made to poll Batch and the result records.',
    labels: ['service'],
    startsAt: withLabel('service', awsServices),
    registers,
  }),
  pollChanges: counter({
    name: 'batchwell_poll_changes_total',
    help: 'Ends of attempts found by polling. Changes per request are the efficiency of polling.',
    registers,
  }),
  jobEvents: counter({
    name: 'batchwell_job_events_total',
    help: 'Batch job events received through SQS, by kind.',
    labels: ['kind'],
    startsAt: withLabel('kind', jobEventKinds),
    registers,
  }),
});

export const janitorMetrics = (registers: Registry[]) => ({
  janitorJobs: counter({
    name: 'batchwell_janitor_jobs_total',
    help:
      'Unfinished Batch jobs with a name of this fleet that the janitor checked. It terminates ' +
      'twin, unwanted, and orphan jobs. An orphan belongs to no row.',
    labels: ['verdict'],
    startsAt: withLabel('verdict', janitorVerdicts),
    registers,
  }),
  janitorQueues: counter({
    name: 'batchwell_janitor_queues_total',
    help:
      'Looks of the janitor at a recently used job queue. `unknown`: AWS Batch has no such queue. ' +
      '`failed`: the queue could not be looked at.',
    labels: ['outcome'],
    startsAt: withLabel('outcome', janitorOutcomes),
    registers,
  }),
});
