/** What AWS says of the parts that a fleet needs, for `batchwell doctor`. Nothing is changed. */
import {
  BatchClient,
  DeregisterJobDefinitionCommand,
  DescribeComputeEnvironmentsCommand,
  DescribeJobQueuesCommand,
  DescribeJobsCommand,
  ListJobsCommand,
  RegisterJobDefinitionCommand,
  SubmitJobCommand,
  TerminateJobCommand,
  type ComputeEnvironmentDetail,
  type JobQueueDetail,
} from '@aws-sdk/client-batch';
import { HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type {
  BucketFacts,
  PermissionSeen,
  SeenEnvironment,
  SeenQueue,
} from '../core/doctor/check-aws.ts';
import type { SeenTaskJob } from '../core/doctor/explain-task.ts';
import { ETAG_PROBE } from '../core/files/s3-layout.ts';
import { formatS3Url } from '../core/files/s3-url.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { denialOf, readError } from './answers.ts';
import { probeEtags } from './etag-probe.ts';
import { openObjectStore } from './s3.ts';

const REQUESTS = { requestTimeout: 10_000, connectionTimeout: 3000, throwOnRequestTimeout: true };

export interface AwsDoctor {
  /** By the names that were given; those that Batch lacks are absent. */
  queues(names: readonly string[]): Promise<Map<string, SeenQueue>>;
  /** A job or a child of one; undefined where Batch no longer knows it. */
  job(jobId: string): Promise<SeenTaskJob | undefined>;
  /** Asks for what cannot be done: AWS says no permission before it says that. */
  permissions(queue: string): Promise<PermissionSeen[]>;
  close(): void;
}

export function openAwsDoctor(): AwsDoctor {
  const client = new BatchClient({ maxAttempts: 2, requestHandler: REQUESTS });
  return {
    queues: (names) => readQueues(client, names),
    async job(jobId) {
      const { jobs = [] } = await client.send(new DescribeJobsCommand({ jobs: [jobId] }));
      const [seen] = jobs;
      const { statusReason, container } = seen ?? {};
      return seen?.status === undefined
        ? undefined
        : {
            status: seen.status,
            ...(statusReason !== undefined && { statusReason }),
            ...(container?.reason !== undefined && { reason: container.reason }),
          };
    },
    permissions: (queue) => probePermissions(client, queue),
    close: () => client.destroy(),
  };
}

const PAGE = 100;

async function readQueues(
  client: BatchClient,
  names: readonly string[],
): Promise<Map<string, SeenQueue>> {
  const seen = new Map<string, SeenQueue>();
  // One by one: Batch refuses the whole request for an ARN that it does not know.
  for (const name of names) {
    const { jobQueues = [] } = await client.send(
      new DescribeJobQueuesCommand({ jobQueues: [name] }),
    );
    const [queue] = jobQueues;
    if (queue) seen.set(name, toQueue(queue, await readEnvironments(client, queue)));
  }
  return seen;
}

async function readEnvironments(
  client: BatchClient,
  { computeEnvironmentOrder = [] }: JobQueueDetail,
): Promise<SeenEnvironment[]> {
  const names = computeEnvironmentOrder.flatMap(
    ({ computeEnvironment }) => computeEnvironment ?? [],
  );
  if (names.length === 0) return [];
  const { computeEnvironments = [] } = await client.send(
    new DescribeComputeEnvironmentsCommand({ computeEnvironments: names, maxResults: PAGE }),
  );
  return computeEnvironments.map(toEnvironment);
}

const toQueue = (
  { jobQueueName, jobQueueArn, state, status, statusReason, schedulingPolicyArn }: JobQueueDetail,
  environments: readonly SeenEnvironment[],
): SeenQueue => ({
  name: jobQueueName ?? '',
  arn: jobQueueArn ?? '',
  state: state ?? '',
  status: status ?? '',
  ...(statusReason !== undefined && { statusReason }),
  hasSharePolicy: schedulingPolicyArn !== undefined && schedulingPolicyArn !== '',
  environments,
});

const toEnvironment = ({
  computeEnvironmentName,
  state,
  status,
  statusReason,
  computeResources,
}: ComputeEnvironmentDetail): SeenEnvironment => ({
  name: computeEnvironmentName ?? '',
  state: state ?? '',
  status: status ?? '',
  ...(statusReason !== undefined && { statusReason }),
  ...(computeResources?.maxvCpus !== undefined && { maxVcpus: computeResources.maxvCpus }),
  instanceTypes: computeResources?.instanceTypes ?? [],
});

/** Nobody has these. */
const NO_DEFINITION = 'batchwell-doctor-dry-run:2147483647';
const NO_JOB = 'batchwell-doctor-dry-run';

async function probePermissions(client: BatchClient, queue: string): Promise<PermissionSeen[]> {
  const probes: readonly [string, () => Promise<unknown>][] = [
    ['batch:DescribeJobs', () => client.send(new DescribeJobsCommand({ jobs: [NO_JOB] }))],
    ['batch:ListJobs', () => client.send(new ListJobsCommand({ jobQueue: queue, maxResults: 1 }))],
    [
      'batch:SubmitJob',
      () =>
        client.send(
          new SubmitJobCommand({ jobName: NO_JOB, jobQueue: queue, jobDefinition: NO_DEFINITION }),
        ),
    ],
    [
      'batch:RegisterJobDefinition',
      // Without what a container needs, so that it can never be registered.
      () =>
        client.send(
          new RegisterJobDefinitionCommand({ jobDefinitionName: NO_JOB, type: 'container' }),
        ),
    ],
    [
      'batch:DeregisterJobDefinition',
      () => client.send(new DeregisterJobDefinitionCommand({ jobDefinition: NO_DEFINITION })),
    ],
    [
      'batch:TerminateJob',
      () => client.send(new TerminateJobCommand({ jobId: NO_JOB, reason: 'a dry run' })),
    ],
  ];
  return Promise.all(probes.map(([action, ask]) => probe(action, ask)));
}

async function probe(action: string, ask: () => Promise<unknown>): Promise<PermissionSeen> {
  try {
    await ask();
    return { action, answer: 'allowed', words: '' };
  } catch (error) {
    const { name, message, answer } = readError(error);
    const words = `${name}: ${message}`;
    if (answer === 'denied') return { action, answer: 'denied', words };
    const isUnclear = answer === 'ambiguous' || answer === 'not-sent' || answer === 'throttled';
    return { action, answer: isUnclear ? 'unknown' : 'allowed', words };
  }
}

export interface BucketPlace {
  bucket: string;
  /** In the bucket, of all of Batchwell's own objects. */
  prefix: string;
  pathStyle: boolean;
}

/** Writes the two small objects that a starting worker writes, too. */
export async function readBucketFacts({
  bucket,
  prefix,
  pathStyle,
}: BucketPlace): Promise<BucketFacts> {
  const objects = openObjectStore({ metrics: createMetrics(), pathStyle });
  const client = new S3Client({
    maxAttempts: 2,
    forcePathStyle: pathStyle,
    requestHandler: REQUESTS,
  });
  const folder = formatS3Url({ bucket, key: prefix + ETAG_PROBE });
  try {
    const etags = await probeEtags(objects, folder);
    await objects.put(`${folder}one`, '1');
    const body = await objects.get(`${folder}one`);
    const { ServerSideEncryption: encryption } = await client.send(
      new HeadObjectCommand({ Bucket: bucket, Key: `${prefix}${ETAG_PROBE}one` }),
    );
    return { bucket, etags, encryption, isReadBack: body?.toString('utf8') === '1' };
  } finally {
    objects.close();
    client.destroy();
  }
}

/** An error in one line. */
export const wordsOf = (error: unknown): string => {
  const denial = denialOf(error);
  if (denial) return denial.words;
  const { name, message } = readError(error);
  return `${name}: ${message}`;
};
