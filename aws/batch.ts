/** AWS Batch, as thin as it can be: replies become values, and an answer that leaves doubt says so. */
import {
  BatchClient,
  DeregisterJobDefinitionCommand,
  DescribeJobsCommand,
  ListJobsCommand,
  RegisterJobDefinitionCommand,
  SubmitJobCommand,
  TerminateJobCommand,
  type DescribeJobsCommandOutput,
  type JobDetail,
  type JobStatus,
  type JobSummary,
  type ListJobsCommandInput,
  type ListJobsCommandOutput,
  type RegisterJobDefinitionCommandInput,
  type SubmitJobCommandInput,
} from '@aws-sdk/client-batch';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Budget } from './budget.ts';
import { observeRequests } from './observe.ts';

export interface SubmitRequest {
  jobName: string;
  queue: string;
  /** name:revision. */
  jobDefinition: string;
  /** 1 submits a single job, 2..10,000 an array. */
  size: number;
  /** For queues with a fair-share policy; '' where there is none. */
  share: string;
  /** 0..9999, among jobs of one share. */
  priority: number;
  environment: Record<string, string>;
  tags: Record<string, string>;
}

/** `ambiguous`: Batch may or may not have taken the job; only listing its name tells. The others are certain. */
export type SubmitOutcome =
  | { is: 'accepted'; jobId: string }
  | { is: 'refused'; message: string }
  | { is: 'try-later'; because: TryLater; message: string }
  | { is: 'ambiguous'; message: string };

/** `not-known`: a definition or queue that Batch, being eventually consistent, may come to know. */
export type TryLater = 'throttled' | 'not-sent' | 'not-known';

export type RegisterOutcome =
  | { is: 'registered'; revision: string }
  | { is: 'refused'; message: string };

export interface SeenJob {
  jobId: string;
  name?: string;
  status: JobStatus;
  createdMs: number;
  /** Children per status, for an array. */
  counts?: Partial<Record<JobStatus, number>>;
  exitCode?: number;
  reason?: string;
  statusReason?: string;
  /** Array index, for a child. */
  index?: number;
}

export interface Batch {
  /** The revision is name:revision. Throws where Batch neither took nor refused it. */
  register(definition: RegisterJobDefinitionCommandInput): Promise<RegisterOutcome>;
  /** Waits for the fleet's next request. Before `submit`, so that the wait is no part of the time a call may take. */
  takeTurn(): Promise<void>;
  /** The one call that takes no turn by itself. Settles within the submit timeout. */
  submit(request: SubmitRequest): Promise<SubmitOutcome>;
  /** Jobs of exactly this name, oldest first. */
  findByName(queue: string, jobName: string): Promise<SeenJob[]>;
  /** Jobs by id, any number; unknown ids are left out. */
  describe(jobIds: readonly string[]): Promise<SeenJob[]>;
  /** All jobs of a queue, or children of an array, in one status. */
  list(of: { queue: string } | { arrayJobId: string }, status: JobStatus): Promise<SeenJob[]>;
  /** Ends a job, a child or a whole array; ending one that has ended is nothing. */
  terminate(jobId: string, reason: string): Promise<void>;
  /** Deregistering what is not there any more is nothing. */
  deregister(revision: string): Promise<void>;
  close(): void;
}

const REQUEST_TIMEOUT_MS = 15_000;
const DESCRIBE_LIMIT = 100;
const LIST_LIMIT = 1000;
const THROTTLED = new Set([
  'TooManyRequestsException',
  'ThrottlingException',
  'Throttling',
  'RequestLimitExceeded',
  'SlowDown',
]);
/** Client-side errors that come before anything is sent. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'CredentialsProviderError', 'EAI_AGAIN']);

/** Without throwOnRequestTimeout the SDK only warns, and waits on. */
const within = (requestTimeout: number) => ({
  requestTimeout,
  connectionTimeout: Math.min(requestTimeout, 5000),
  throwOnRequestTimeout: true,
});

export interface BatchParts {
  /** Of every operation but SubmitJob. */
  budget: Budget;
  /** Of SubmitJob, which AWS limits by itself (50 a second); `budget` when absent. */
  submitBudget?: Budget;
  metrics: Metrics;
  /** SubmitJob's answer is awaited so long; later it counts as ambiguous. */
  submitTimeoutMs: number;
}

/** Slows the fleet down when AWS says so. */
async function watched<T>(request: () => Promise<T>, budget: Budget): Promise<T> {
  try {
    return await request();
  } catch (error) {
    if (THROTTLED.has(nameOf(error))) await budget.slowDown();
    throw error;
  }
}

export function openBatch({
  budget,
  submitBudget = budget,
  metrics,
  submitTimeoutMs,
}: BatchParts): Batch {
  const client = new BatchClient({ maxAttempts: 5, requestHandler: within(REQUEST_TIMEOUT_MS) });
  // SubmitJob has no idempotency token: a retry inside the SDK could submit twice.
  const submitClient = new BatchClient({ maxAttempts: 1, requestHandler: within(submitTimeoutMs) });
  observeRequests(client, 'batch', metrics);
  observeRequests(submitClient, 'batch', metrics);

  const call = <T>(request: () => Promise<T>): Promise<T> =>
    budget.take().then(() => watched(request, budget));

  return {
    async register(definition) {
      try {
        const reply = await call(() => client.send(new RegisterJobDefinitionCommand(definition)));
        return { is: 'registered', revision: `${reply.jobDefinitionName}:${reply.revision}` };
      } catch (error) {
        const judged = judgeSubmitError(error);
        if (judged.is === 'refused') return judged;
        throw error;
      }
    },
    takeTurn: () => submitBudget.take(),
    async submit(request) {
      try {
        const region = await submitClient.config.region();
        // The signal bounds the whole of it: waiting for a connection, connecting, sending, the answer.
        const reply = await watched(
          () =>
            submitClient.send(new SubmitJobCommand(submitInput(request, region)), {
              abortSignal: AbortSignal.timeout(submitTimeoutMs),
            }),
          submitBudget,
        );
        return reply.jobId === undefined
          ? { is: 'ambiguous', message: 'Batch answered without a job id' }
          : { is: 'accepted', jobId: reply.jobId };
      } catch (error) {
        return judgeSubmitError(error);
      }
    },
    async findByName(queue, jobName) {
      const reply = await call(() =>
        client.send(
          new ListJobsCommand({
            jobQueue: queue,
            filters: [{ name: 'JOB_NAME', values: [jobName] }],
          }),
        ),
      );
      return (reply.jobSummaryList ?? []).map(toSeen).toSorted((a, b) => a.createdMs - b.createdMs);
    },
    describe: (jobIds) =>
      describeAll(jobIds, (jobs) => call(() => client.send(new DescribeJobsCommand({ jobs })))),
    list: (of, jobStatus) =>
      listAll(of, (page) =>
        call(() =>
          client.send(new ListJobsCommand({ ...page, jobStatus, maxResults: LIST_LIMIT })),
        ),
      ),
    async terminate(jobId, reason) {
      await call(() => client.send(new TerminateJobCommand({ jobId, reason })));
    },
    async deregister(revision) {
      await call(() =>
        client.send(new DeregisterJobDefinitionCommand({ jobDefinition: revision })),
      );
    },
    close() {
      client.destroy();
      submitClient.destroy();
    },
  };
}

async function describeAll(
  jobIds: readonly string[],
  ask: (jobs: string[]) => Promise<DescribeJobsCommandOutput>,
): Promise<SeenJob[]> {
  const seen: SeenJob[] = [];
  for (let start = 0; start < jobIds.length; start += DESCRIBE_LIMIT)
    seen.push(...((await ask(jobIds.slice(start, start + DESCRIBE_LIMIT))).jobs ?? []).map(toSeen));
  return seen;
}

async function listAll(
  of: { queue: string } | { arrayJobId: string },
  ask: (page: ListJobsCommandInput) => Promise<ListJobsCommandOutput>,
): Promise<SeenJob[]> {
  const seen: SeenJob[] = [];
  const scope = 'queue' in of ? { jobQueue: of.queue } : of;
  for (
    let nextToken: string | undefined, first = true;
    first || nextToken !== undefined;
    first = false
  ) {
    const reply = await ask({ ...scope, ...(nextToken === undefined ? {} : { nextToken }) });
    seen.push(...(reply.jobSummaryList ?? []).map(toSeen));
    nextToken = reply.nextToken;
  }
  return seen;
}

/** ECS on EC2 need not tell a container its region, and the stager's S3 client needs one. */
function submitInput(request: SubmitRequest, region: string): SubmitJobCommandInput {
  const environment = { AWS_REGION: region, ...request.environment };
  return {
    jobName: request.jobName,
    jobQueue: request.queue,
    jobDefinition: request.jobDefinition,
    ...(request.share === ''
      ? {}
      : { shareIdentifier: request.share, schedulingPriorityOverride: request.priority }),
    ...(request.size > 1 ? { arrayProperties: { size: request.size } } : {}),
    containerOverrides: {
      environment: Object.entries(environment).map(([name, value]) => ({ name, value })),
    },
    tags: request.tags,
    propagateTags: true,
  };
}

function nameOf(error: unknown): string {
  const { name, code } = error as { name?: string; code?: string };
  return code !== undefined && NOT_SENT.has(code) ? code : (name ?? 'Error');
}

/**
 * A 4xx was not taken. A definition or queue that Batch does not know *yet* (it is eventually consistent) is worth
 * another try. Everything else (timeout, reset, 5xx) leaves doubt.
 */
function judgeSubmitError(error: unknown): SubmitOutcome {
  const name = nameOf(error);
  const { message = String(error), $metadata } = error as {
    message?: string;
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode ?? 0;
  const words = `${name}: ${message}`;
  if (THROTTLED.has(name) || status === 429)
    return { is: 'try-later', because: 'throttled', message: words };
  // Credentials that expired or a policy that is still missing: the operator mends these, and the tasks go on.
  if (NOT_SENT.has(name) || status === 401 || status === 403)
    return { is: 'try-later', because: 'not-sent', message: words };
  if (status === 404) return { is: 'try-later', because: 'not-known', message: words };
  if (status >= 400 && status < 500) return { is: 'refused', message: words };
  return { is: 'ambiguous', message: words };
}

type Known<T> = { [K in keyof T]?: T[K] | undefined };

/** Leaves out what is not known, so that exactOptionalPropertyTypes holds. */
function defined<T extends object>(values: Known<T>): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

/** A line of a listing and a description say the same in the same places, as far as it is read here. */
const toSeen = (job: JobSummary | JobDetail): SeenJob =>
  defined<SeenJob>({
    jobId: job.jobId,
    name: job.jobName,
    status: job.status,
    createdMs: job.createdAt ?? 0,
    counts: job.arrayProperties?.statusSummary,
    index: job.arrayProperties?.index,
    exitCode: job.container?.exitCode,
    reason: job.container?.reason,
    statusReason: job.statusReason,
  });
