/** Job queues, compute environments and the snapshot of a queue's front. */
import {
  requestAs,
  arnOf,
  findQueue,
  NAME_PATTERN,
  nameOf,
  pageOf,
  type BatchContext,
  type Handler,
} from '../context.ts';
import { clientException, executionError, isRefusal, type Refusal } from '../errors.ts';
import { isTerminal } from '../jobs.ts';
import type { ComputeEnvironment, JobQueue } from '../queues.ts';

type State = 'ENABLED' | 'DISABLED';

interface QueueRequest {
  jobQueueName?: string;
  jobQueue?: string;
  state?: State;
  priority?: number;
  schedulingPolicyArn?: string;
  computeEnvironmentOrder?: { order: number; computeEnvironment: string }[];
  tags?: Record<string, string>;
}

interface DescribeRequest {
  jobQueues?: string[];
  computeEnvironments?: string[];
  maxResults?: number;
  nextToken?: string;
}

const PAGE_LIMIT = 100;
const FRONT_LIMIT = 100;

function environmentNames(
  { queues }: BatchContext,
  order: QueueRequest['computeEnvironmentOrder'] = [],
): string[] | Refusal {
  const names: string[] = [];
  for (const { computeEnvironment } of order.toSorted((one, other) => one.order - other.order)) {
    const name = nameOf('compute-environment', computeEnvironment);
    if (queues.environment(name) === undefined)
      return clientException(`Compute environment ${computeEnvironment} does not exist`);
    names.push(name);
  }
  return names.length > 0
    ? names
    : executionError('computeEnvironmentOrder must name at least one compute environment');
}

function keepQueue(context: BatchContext, queue: JobQueue): Record<string, unknown> {
  context.queues.put(queue);
  context.journal.write({ event: 'queue', queue });
  return { jobQueueName: queue.name, jobQueueArn: arnOf(context, 'job-queue', queue.name) };
}

export const createJobQueue: Handler = (context, body) => {
  const request = requestAs<QueueRequest>(body);
  const name = request.jobQueueName ?? '';
  if (!NAME_PATTERN.test(name)) return executionError('Job queue name should match valid pattern');
  if (context.queues.get(name) !== undefined) return clientException(`Object already exists`, 409);
  const environments = environmentNames(context, request.computeEnvironmentOrder);
  if (isRefusal(environments)) return environments;
  const { state = 'ENABLED', priority = 0, tags = {}, schedulingPolicyArn } = request;
  return keepQueue(context, {
    name,
    state,
    priority,
    environments,
    tags,
    ...(schedulingPolicyArn === undefined ? {} : { schedulingPolicyArn }),
  });
};

export const updateJobQueue: Handler = (context, body) => {
  const request = requestAs<QueueRequest>(body);
  const queue = findQueue(context, request.jobQueue ?? '');
  if (isRefusal(queue)) return queue;
  const environments =
    request.computeEnvironmentOrder === undefined
      ? queue.environments
      : environmentNames(context, request.computeEnvironmentOrder);
  if (isRefusal(environments)) return environments;
  return keepQueue(context, {
    ...queue,
    state: request.state ?? queue.state,
    priority: request.priority ?? queue.priority,
    environments,
  });
};

export const deleteJobQueue: Handler = (context, body) => {
  const { jobQueue } = requestAs<{ jobQueue: string }>(body);
  const queue = context.queues.get(nameOf('job-queue', jobQueue));
  if (queue === undefined) return {};
  if (queue.state !== 'DISABLED') return clientException('Cannot delete, resource is not DISABLED');
  // AWS ends all jobs of a deleted queue.
  for (const job of context.store.ofQueue(queue.name).upwards(undefined, 0)) {
    if (!isTerminal(job.status)) context.engine.stop(job, 'terminate', 'Job queue deleted');
  }
  context.queues.remove(queue.name);
  context.journal.write({ event: 'queue-removed', name: queue.name });
  return {};
};

function queueView(
  context: BatchContext,
  { name, state, priority, environments, tags, schedulingPolicyArn }: JobQueue,
): Record<string, unknown> {
  return {
    jobQueueName: name,
    jobQueueArn: arnOf(context, 'job-queue', name),
    state,
    status: 'VALID',
    statusReason: 'JobQueue Healthy',
    priority,
    jobQueueType: 'ECS',
    computeEnvironmentOrder: environments.map((environment, order) => ({
      order: order + 1,
      computeEnvironment: arnOf(context, 'compute-environment', environment),
    })),
    ...(schedulingPolicyArn === undefined ? {} : { schedulingPolicyArn }),
    ...(Object.keys(tags).length === 0 ? {} : { tags }),
  };
}

/** The named ones without unknown names, as AWS does; all of them when none are named. */
function choose<T>(
  references: string[] | undefined,
  kind: string,
  find: (name: string) => T | undefined,
  all: () => T[],
): T[] {
  if (references === undefined || references.length === 0) return all();
  return references.flatMap((reference) => find(nameOf(kind, reference)) ?? []);
}

export const describeJobQueues: Handler = (context, body) => {
  const { jobQueues, maxResults = PAGE_LIMIT, nextToken } = requestAs<DescribeRequest>(body);
  const paged = pageOf(
    choose(jobQueues, 'job-queue', context.queues.get, context.queues.list),
    nextToken,
    Math.min(maxResults, PAGE_LIMIT),
  );
  if (isRefusal(paged)) return paged;
  const { page, ...next } = paged;
  return { jobQueues: page.map((queue) => queueView(context, queue)), ...next };
};

export const getJobQueueSnapshot: Handler = (context, body) => {
  const { jobQueue } = requestAs<{ jobQueue: string }>(body);
  const queue = findQueue(context, jobQueue);
  if (isRefusal(queue)) return queue;
  const lastUpdatedAt = context.nowMs();
  const jobs = context.queues.front(queue.name, FRONT_LIMIT).map(({ submission }) => ({
    jobArn: arnOf(context, 'job', submission.jobId),
    earliestTimeAtPosition: submission.createdAtMs,
  }));
  return { frontOfQueue: { jobs, lastUpdatedAt } };
};

interface EnvironmentRequest {
  computeEnvironmentName?: string;
  computeEnvironment?: string;
  state?: State;
  unmanagedvCpus?: number;
  computeResources?: { maxvCpus?: number };
  tags?: Record<string, string>;
}

function keepEnvironment(
  context: BatchContext,
  environment: ComputeEnvironment,
): Record<string, unknown> {
  context.queues.putEnvironment(environment);
  context.journal.write({ event: 'environment', environment });
  return {
    computeEnvironmentName: environment.name,
    computeEnvironmentArn: arnOf(context, 'compute-environment', environment.name),
  };
}

export const createComputeEnvironment: Handler = (context, body) => {
  const {
    computeEnvironmentName: name = '',
    state = 'ENABLED',
    computeResources,
    unmanagedvCpus,
    tags = {},
  } = requestAs<EnvironmentRequest>(body);
  if (!NAME_PATTERN.test(name))
    return executionError('Compute environment name should match valid pattern');
  if (context.queues.environment(name) !== undefined)
    return clientException('Object already exists', 409);
  const slots = computeResources?.maxvCpus ?? unmanagedvCpus ?? 0;
  if (slots < 0) return executionError('maxvCpus must not be negative');
  const { tags: _, ...request } = body;
  return keepEnvironment(context, { name, slots, state, request, tags });
};

export const updateComputeEnvironment: Handler = (context, body) => {
  const request = requestAs<EnvironmentRequest>(body);
  const environment = context.queues.environment(
    nameOf('compute-environment', request.computeEnvironment ?? ''),
  );
  if (environment === undefined)
    return clientException(
      `Compute environment ${request.computeEnvironment ?? ''} does not exist`,
    );
  const slots = request.computeResources?.maxvCpus ?? request.unmanagedvCpus ?? environment.slots;
  return keepEnvironment(context, {
    ...environment,
    slots,
    state: request.state ?? environment.state,
  });
};

export const deleteComputeEnvironment: Handler = (context, body) => {
  const name = nameOf(
    'compute-environment',
    requestAs<EnvironmentRequest>(body).computeEnvironment ?? '',
  );
  const environment = context.queues.environment(name);
  if (environment === undefined) return {};
  if (environment.state !== 'DISABLED')
    return clientException('Cannot delete, resource is not DISABLED');
  const user = context.queues.list().find(({ environments }) => environments.includes(name));
  if (user !== undefined)
    return clientException(`Cannot delete, found existing JobQueue relationship (${user.name})`);
  context.queues.removeEnvironment(name);
  context.journal.write({ event: 'environment-removed', name });
  return {};
};

function environmentView(
  context: BatchContext,
  { name, slots, state, request, tags }: ComputeEnvironment,
): Record<string, unknown> {
  const resources =
    typeof request['computeResources'] === 'object' ? request['computeResources'] : undefined;
  return {
    type: 'MANAGED',
    ...request,
    computeEnvironmentName: name,
    computeEnvironmentArn: arnOf(context, 'compute-environment', name),
    ecsClusterArn: `arn:aws:ecs:${context.region}:${context.accountId}:cluster/${name}`,
    state,
    status: 'VALID',
    statusReason: 'ComputeEnvironment Healthy',
    containerOrchestrationType: 'ECS',
    ...(resources === undefined ? {} : { computeResources: { ...resources, maxvCpus: slots } }),
    ...(Object.keys(tags).length === 0 ? {} : { tags }),
  };
}

export const describeComputeEnvironments: Handler = (context, body) => {
  const {
    computeEnvironments,
    maxResults = PAGE_LIMIT,
    nextToken,
  } = requestAs<DescribeRequest>(body);
  const { environment, environments } = context.queues;
  const paged = pageOf(
    choose(computeEnvironments, 'compute-environment', environment, environments),
    nextToken,
    Math.min(maxResults, PAGE_LIMIT),
  );
  if (isRefusal(paged)) return paged;
  const { page, ...next } = paged;
  return { computeEnvironments: page.map((item) => environmentView(context, item)), ...next };
};
