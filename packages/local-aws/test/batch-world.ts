/**
 * A local Batch for one test, and the SDK's client. Both are closed when the test ends.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BatchClient,
  DescribeJobsCommand,
  ListJobsCommand,
  RegisterJobDefinitionCommand,
  SubmitJobCommand,
  type JobDetail,
  type JobSummary,
  type ListJobsCommandInput,
  type RegisterJobDefinitionCommandInput,
  type SubmitJobCommandInput,
} from '@aws-sdk/client-batch';
import { expect, onTestFinished } from 'vitest';
import { createSimulatedRunner } from '../batch/runners/simulated.ts';
import { startLocalBatch, type LocalBatch, type LocalBatchOptions } from '../batch/server.ts';

export interface World {
  batch: LocalBatch;
  client: BatchClient;
  dataFolder: string;
  /** Registers a definition of one container and returns its name:revision. */
  define(command?: string[], more?: Partial<RegisterJobDefinitionCommandInput>): Promise<string>;
  submit(more?: Partial<SubmitJobCommandInput>): Promise<string>;
  describe(jobId: string): Promise<JobDetail>;
  /** Calls DescribeJobs until the condition holds. */
  until(jobId: string, holds: (job: JobDetail) => boolean): Promise<JobDetail>;
  ended(jobId: string): Promise<JobDetail>;
  listAll(input: ListJobsCommandInput): Promise<JobSummary[]>;
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'local-batch-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export function clientFor(url: string): BatchClient {
  const client = new BatchClient({
    endpoint: url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  });
  onTestFinished(() => client.destroy());
  return client;
}

export const FOREVER_MS = 1_000_000;
/** AWS’s recommendation for spot instances. */
export const SPOT_RECIPE = {
  attempts: 3,
  evaluateOnExit: [
    { onStatusReason: 'Host EC2*', action: 'RETRY' as const },
    { onReason: '*', action: 'EXIT' as const },
  ],
};

export const instant = () => createSimulatedRunner(() => ({ durationMs: 0 }));
export const never = () => createSimulatedRunner(() => ({ durationMs: FOREVER_MS }));

/** The SDK's error for a refusal. */
export const refusal = (message: string | RegExp, status = 400, name = 'ClientException') => ({
  name,
  message: typeof message === 'string' ? message : expect.stringMatching(message),
  $metadata: { httpStatusCode: status },
});

const isOver = (job: JobDetail) => job.status === 'SUCCEEDED' || job.status === 'FAILED';

/** @param options without a data folder, a temporary one is used */
export async function createWorld(options: Partial<LocalBatchOptions> = {}): Promise<World> {
  const dataFolder = options.dataFolder ?? (await temporaryFolder());
  const batch = await startLocalBatch({
    throttle: 'off',
    minTimeoutSeconds: 1,
    graceMs: 500,
    ...options,
    dataFolder,
  });
  onTestFinished(() => batch.close());
  return worldOn(batch, clientFor(batch.url), dataFolder);
}

export function worldOn(batch: LocalBatch, client: BatchClient, dataFolder: string): World {
  let defined: string | undefined;

  async function define(
    command = ['true'],
    more: Partial<RegisterJobDefinitionCommandInput> = {},
  ): Promise<string> {
    const { jobDefinitionName, revision } = await client.send(
      new RegisterJobDefinitionCommand({
        jobDefinitionName: 'plain',
        type: 'container',
        ...more,
        containerProperties: {
          image: 'debian:12',
          command,
          resourceRequirements: [
            { type: 'VCPU', value: '1' },
            { type: 'MEMORY', value: '256' },
          ],
          ...more.containerProperties,
        },
      }),
    );
    return `${jobDefinitionName}:${revision}`;
  }

  async function submit(more: Partial<SubmitJobCommandInput> = {}): Promise<string> {
    if (more.jobDefinition === undefined) defined ??= await define();
    const jobDefinition = more.jobDefinition ?? defined;
    const { jobId } = await client.send(
      new SubmitJobCommand({ jobName: 'job', jobQueue: 'batchwell', ...more, jobDefinition }),
    );
    return jobId!;
  }

  async function describe(jobId: string): Promise<JobDetail> {
    const { jobs } = await client.send(new DescribeJobsCommand({ jobs: [jobId] }));
    const [job] = jobs ?? [];
    if (job === undefined) throw new Error(`DescribeJobs does not know ${jobId}`);
    return job;
  }

  async function until(jobId: string, holds: (job: JobDetail) => boolean): Promise<JobDetail> {
    for (;;) {
      const job = await describe(jobId);
      if (holds(job)) return job;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async function listAll(input: ListJobsCommandInput): Promise<JobSummary[]> {
    const found: JobSummary[] = [];
    let nextToken: string | undefined;
    do {
      const page = await client.send(new ListJobsCommand({ ...input, nextToken }));
      found.push(...(page.jobSummaryList ?? []));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    return found;
  }

  return {
    batch,
    client,
    dataFolder,
    define,
    submit,
    describe,
    until,
    ended: (jobId) => until(jobId, isOver),
    listAll,
  };
}
