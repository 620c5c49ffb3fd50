/**
 * This folder is the thin edge around the AWS SDK; no other folder of the fleet imports it. Here is
 * AWS Batch: replies become values, and an ambiguous answer is one of them.
 */
import { append } from '../core/append.ts';
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
import type { Unaccepted } from '../core/submission/decide-submit.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { readError } from './answers.ts';
import type { Budget } from './budget.ts';
import { observeDenials, observeRequests } from './observe.ts';

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

/**
 * `ambiguous`: Batch may or may not have accepted the job; only listing its name tells. The others
 * are certain.
 */
type SubmitOutcome = { is: 'accepted'; jobId: string } | Unaccepted;

export type RegisterOutcome =
  | { is: 'registered'; revision: string }
  | { is: 'refused'; message: string }
  /** A permission or valid credentials are missing. */
  | { is: 'denied'; message: string };

export interface SeenJob {
  jobId: string;
  name?: string;
  status: JobStatus;
  createdMs: number;
  /** When its container last became RUNNING; absent before. */
  startedMs?: number;
  /** Children per status, for an array. */
  counts?: Partial<Record<JobStatus, number>>;
  exitCode?: number;
  reason?: string;
  statusReason?: string;
  /** Array index, for a child. */
  index?: number;
}

export interface Batch {
  /** The revision is name:revision. Throws if Batch neither accepted nor refused it. */
  register(definition: RegisterJobDefinitionCommandInput): Promise<RegisterOutcome>;
  /**
   * Waits until the budget allows a SubmitJob. Call it before `submit`, so that the wait does not
   * count against its timeout.
   */
  takeTurn(): Promise<void>;
  /** The one call that does not wait for the budget itself. Settles within the submit timeout. */
  submit(request: SubmitRequest): Promise<SubmitOutcome>;
  /** Jobs of exactly this name, oldest first. */
  findByName(queue: string, jobName: string): Promise<SeenJob[]>;
  /** Any number of jobs by id. Unknown ids are left out. */
  describe(jobIds: readonly string[]): Promise<SeenJob[]>;
  /** All jobs of a queue, or children of an array, in one status. */
  list(of: { queue: string } | { arrayJobId: string }, status: JobStatus): Promise<SeenJob[]>;
  /** Ends a job, a child or a whole array. Does nothing if it has already ended. */
  terminate(jobId: string, reason: string): Promise<void>;
  /** Does nothing if the revision no longer exists. */
  deregister(revision: string): Promise<void>;
  close(): void;
}

const REQUEST_TIMEOUT_MS = 15_000;
const DESCRIBE_LIMIT = 100;
const LIST_LIMIT = 1000;
/** Without throwOnRequestTimeout the SDK only logs a warning and keeps waiting. */
const within = (requestTimeout: number) => ({
  requestTimeout,
  connectionTimeout: Math.min(requestTimeout, 5000),
  throwOnRequestTimeout: true,
});

interface BatchOptions {
  /** For every operation except SubmitJob. */
  budget: Budget;
  /** For SubmitJob, which AWS limits separately (50 per second). `budget` if absent. */
  submitBudget?: Budget;
  metrics: Metrics;
  /** After this time without an answer, a SubmitJob is ambiguous. */
  submitTimeoutMs: number;
}

/** Slows the fleet down when AWS throttles. */
async function slowedByThrottling<T>(request: () => Promise<T>, budget: Budget): Promise<T> {
  try {
    return await request();
  } catch (error) {
    if (judgeError(error).because === 'throttled') await budget.slowDown();
    throw error;
  }
}

/** Sends a request once the fleet's budget allows it. */
type Call = <T>(request: () => Promise<T>) => Promise<T>;

export function openBatch({
  budget,
  submitBudget = budget,
  metrics,
  submitTimeoutMs,
}: BatchOptions): Batch {
  const client = new BatchClient({ maxAttempts: 5, requestHandler: within(REQUEST_TIMEOUT_MS) });
  // SubmitJob has no idempotency token: a retry inside the SDK could submit twice.
  const submitClient = new BatchClient({ maxAttempts: 1, requestHandler: within(submitTimeoutMs) });
  observeRequests(client, 'batch', metrics);
  observeRequests(submitClient, 'batch', metrics);
  observeDenials(client, metrics);
  observeDenials(submitClient, metrics);

  const call: Call = (request) => budget.take().then(() => slowedByThrottling(request, budget));

  return {
    register: (definition) => register(client, call, definition),
    takeTurn: () => submitBudget.take(),
    submit: (request) =>
      submit(request, { client: submitClient, budget: submitBudget, timeoutMs: submitTimeoutMs }),
    findByName: (queue, jobName) => findByName(client, call, { queue, jobName }),
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

async function register(
  client: BatchClient,
  call: Call,
  definition: RegisterJobDefinitionCommandInput,
): Promise<RegisterOutcome> {
  try {
    const reply = await call(() => client.send(new RegisterJobDefinitionCommand(definition)));
    return { is: 'registered', revision: `${reply.jobDefinitionName}:${reply.revision}` };
  } catch (error) {
    const { is, because, message } = judgeError(error);
    if (because === 'denied') return { is: because, message };
    if (is === 'refused') return { is: 'refused', message };
    throw error;
  }
}

interface Submitter {
  client: BatchClient;
  budget: Budget;
  timeoutMs: number;
}

async function submit(
  request: SubmitRequest,
  { client, budget, timeoutMs }: Submitter,
): Promise<SubmitOutcome> {
  try {
    const input = submitInput(request, await client.config.region());
    // The signal limits the whole call: waiting for a connection, connecting, sending and the
    // answer.
    const send = () =>
      client.send(new SubmitJobCommand(input), { abortSignal: AbortSignal.timeout(timeoutMs) });
    const { jobId } = await slowedByThrottling(send, budget);
    return jobId === undefined
      ? { is: 'ambiguous', because: 'ambiguous', message: 'Batch answered without a job id' }
      : { is: 'accepted', jobId };
  } catch (error) {
    return judgeError(error);
  }
}

async function findByName(
  client: BatchClient,
  call: Call,
  { queue, jobName }: { queue: string; jobName: string },
): Promise<SeenJob[]> {
  const filters = [{ name: 'JOB_NAME', values: [jobName] }];
  const reply = await call(() => client.send(new ListJobsCommand({ jobQueue: queue, filters })));
  return (reply.jobSummaryList ?? []).map(toSeen).toSorted((a, b) => a.createdMs - b.createdMs);
}

async function describeAll(
  jobIds: readonly string[],
  ask: (jobs: string[]) => Promise<DescribeJobsCommandOutput>,
): Promise<SeenJob[]> {
  const seen: SeenJob[] = [];
  for (let start = 0; start < jobIds.length; start += DESCRIBE_LIMIT)
    append(seen, ((await ask(jobIds.slice(start, start + DESCRIBE_LIMIT))).jobs ?? []).map(toSeen));
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
    append(seen, (reply.jobSummaryList ?? []).map(toSeen));
    nextToken = reply.nextToken;
  }
  return seen;
}

/**
 * ECS on EC2 does not always tell a container its Region, which the S3 client of the stager needs.
 */
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

/** A 4xx was not carried out. Everything else (timeout, reset, 5xx) is ambiguous. */
function judgeError(error: unknown): Unaccepted {
  const { name, message, answer } = readError(error);
  const isFinal = answer === 'refused' || answer === 'ambiguous';
  return { is: isFinal ? answer : 'try-later', because: answer, message: `${name}: ${message}` };
}

type Known<T> = { [K in keyof T]?: T[K] | undefined };

/** Drops undefined values, so that exactOptionalPropertyTypes holds. */
function defined<T extends object>(values: Known<T>): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

/** Summaries and descriptions of jobs have the same fields, as far as they are read here. */
const toSeen = (job: JobSummary | JobDetail): SeenJob =>
  defined<SeenJob>({
    jobId: job.jobId,
    name: job.jobName,
    status: job.status,
    createdMs: job.createdAt ?? 0,
    startedMs: job.startedAt,
    counts: job.arrayProperties?.statusSummary,
    index: job.arrayProperties?.index,
    exitCode: job.container?.exitCode,
    reason: job.container?.reason,
    statusReason: job.statusReason,
  });
