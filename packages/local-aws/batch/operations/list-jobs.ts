/** ListJobs: by status, or by one filter; a queue's jobs or an array's children. */
import {
  requestAs,
  findQueue,
  makeToken,
  nameOf,
  readToken,
  type BatchContext,
  type Handler,
} from '../context.ts';
import { executionError, isRefusal, type Refusal } from '../errors.ts';
import type { Job, JobStatus } from '../jobs.ts';
import { jobSummary } from './job-views.ts';

interface Filter {
  name?: string;
  values?: string[];
}

interface ListJobsRequest {
  jobQueue?: string;
  arrayJobId?: string;
  multiNodeJobId?: string;
  jobStatus?: JobStatus;
  maxResults?: number;
  nextToken?: string;
  filters?: Filter[];
}

const PAGE_LIMIT = 1000;
const FILTER_PAGE_LIMIT = 100;

type Test = (job: Job) => boolean;

function definitionNameOf({ submission }: Job): string {
  return nameOf('job-definition', submission.definitionArn).split(':')[0] ?? '';
}

function definitionTest(value: string): Test {
  if (value.startsWith('arn:')) return ({ submission }) => submission.definitionArn === value;
  if (value.endsWith('*')) return (job) => definitionNameOf(job).startsWith(value.slice(0, -1));
  return (job) => definitionNameOf(job) === value;
}

function nameTest(value: string): Test {
  const wanted = value.toLowerCase();
  if (wanted.endsWith('*'))
    return ({ submission }) => submission.jobName.toLowerCase().startsWith(wanted.slice(0, -1));
  return ({ submission }) => submission.jobName.toLowerCase() === wanted;
}

const FILTER_TESTS: Record<string, (value: string) => Test> = {
  JOB_NAME: nameTest,
  JOB_DEFINITION: definitionTest,
  BEFORE_CREATED_AT: (value) => (job) => job.submission.createdAtMs < Number(value),
  AFTER_CREATED_AT: (value) => (job) => job.submission.createdAtMs > Number(value),
  SHARE_IDENTIFIER: (value) => (job) => job.submission.shareIdentifier === value,
};

interface Selection {
  jobs: Iterable<Job>;
  limit: number;
  test: Test;
  /** Where the next page starts when this job is the first that does not fit. */
  positionOf: (job: Job) => number;
}

function pageSize(maxResults: number | undefined, limit: number): number | Refusal {
  if (maxResults === undefined) return limit;
  if (maxResults < 1) return executionError('maxResults must be at least 1');
  return Math.min(maxResults, limit);
}

/** Newest of one name first: found by the index of names, not by reading every job. */
function* newestNamed(jobs: readonly Job[], from: number): Generator<Job> {
  for (let at = jobs.length - 1; at >= 0; at -= 1) {
    const job = jobs[at];
    if (job !== undefined && job.ordinal <= from) yield job;
  }
}

function parseFilter(filters: Filter[]): { name: string; value: string; test: Test } | Refusal {
  if (filters.length !== 1) return executionError('Only one filter can be used at a time');
  const { name = '', values = [] } = filters[0] ?? {};
  const test = FILTER_TESTS[name];
  const [value] = values;
  if (test === undefined)
    return executionError(
      `Filter ${name} is not supported; use one of ${Object.keys(FILTER_TESTS).join(', ')}`,
    );
  if (value === undefined || values.length !== 1)
    return executionError(`Filter ${name} takes exactly one value`);
  if (name.endsWith('_CREATED_AT') && !/^\d+$/.test(value))
    return executionError(`Filter ${name} takes epoch milliseconds`);
  return { name, value, test: test(value) };
}

function selectFiltered(
  context: BatchContext,
  request: ListJobsRequest,
  queueName: string,
  filters: Filter[],
): Selection | Refusal {
  const filter = parseFilter(filters);
  if (isRefusal(filter)) return filter;
  const group = context.store.ofQueue(queueName);
  const from = readToken(request.nextToken, group.size());
  if (typeof from !== 'number') return from;
  // The other filters show jobs of any status. This one can be combined with jobStatus.
  const status = filter.name === 'SHARE_IDENTIFIER' ? request.jobStatus : undefined;
  const isExactName = filter.name === 'JOB_NAME' && !filter.value.endsWith('*');
  const jobs = isExactName
    ? newestNamed(context.store.named(queueName, filter.value), from)
    : group.downwards(status, from);
  return {
    jobs,
    limit: FILTER_PAGE_LIMIT,
    test: filter.test,
    positionOf: ({ ordinal }) => ordinal,
  };
}

function selectFromQueue(context: BatchContext, request: ListJobsRequest): Selection | Refusal {
  const queue = findQueue(context, request.jobQueue ?? '');
  if (isRefusal(queue)) return queue;
  if (request.filters !== undefined && request.filters.length > 0)
    return selectFiltered(context, request, queue.name, request.filters);
  const group = context.store.ofQueue(queue.name);
  const from = readToken(request.nextToken, group.size());
  if (typeof from !== 'number') return from;
  return {
    jobs: group.downwards(request.jobStatus ?? 'RUNNING', from),
    limit: PAGE_LIMIT,
    test: () => true,
    positionOf: ({ ordinal }) => ordinal,
  };
}

function selectFromArray({ store }: BatchContext, request: ListJobsRequest): Selection | Refusal {
  if (request.filters !== undefined && request.filters.length > 0)
    return executionError('Filters cannot be used with arrayJobId');
  const children = store.get(request.arrayJobId ?? '')?.children;
  if (children === undefined)
    return executionError(`Array job ${request.arrayJobId ?? ''} does not exist`);
  const from = readToken(request.nextToken);
  if (typeof from !== 'number') return from;
  return {
    jobs: children.upwards(request.jobStatus ?? 'RUNNING', from),
    limit: PAGE_LIMIT,
    test: () => true,
    positionOf: ({ ordinal }) => ordinal,
  };
}

function select(context: BatchContext, request: ListJobsRequest): Selection | Refusal {
  const { jobQueue, arrayJobId, multiNodeJobId } = request;
  const given = [jobQueue, arrayJobId, multiNodeJobId].filter((value) => value !== undefined);
  if (given.length !== 1)
    return executionError(
      'Exactly one of jobQueue, arrayJobId or multiNodeJobId must be specified',
    );
  if (multiNodeJobId !== undefined)
    return executionError(`Multi-node parallel job ${multiNodeJobId} does not exist`);
  return jobQueue === undefined
    ? selectFromArray(context, request)
    : selectFromQueue(context, request);
}

export const listJobs: Handler = (context, body) => {
  const request = requestAs<ListJobsRequest>(body);
  const selection = select(context, request);
  if (isRefusal(selection)) return selection;
  const limit = pageSize(request.maxResults, selection.limit);
  if (typeof limit !== 'number') return limit;
  const nowMs = context.nowMs();
  const jobSummaryList: Record<string, unknown>[] = [];
  for (const job of selection.jobs) {
    if (job.submission.listedAtMs > nowMs || !selection.test(job)) continue;
    if (jobSummaryList.length === limit)
      return { jobSummaryList, nextToken: makeToken(selection.positionOf(job)) };
    jobSummaryList.push(jobSummary(context, job));
  }
  return { jobSummaryList };
};
