/** RegisterJobDefinition, DescribeJobDefinitions, DeregisterJobDefinition. */
import {
  requestAs,
  arnOf,
  lagFor,
  NAME_PATTERN,
  nameOf,
  pageOf,
  type BatchContext,
  type Handler,
} from '../context.ts';
import type { Definition } from '../definitions.ts';
import { clientException, executionError, isRefusal, type Refusal } from '../errors.ts';
import { containerProblem, type ContainerProperties } from './container-plan.ts';
import {
  refuseRetry,
  refuseTags,
  refuseTimeout,
  type RetryRequest,
  type TimeoutRequest,
} from './submission-rules.ts';

interface RegisterRequest {
  jobDefinitionName: string;
  type: string;
  containerProperties?: ContainerProperties;
  retryStrategy?: RetryRequest;
  timeout?: TimeoutRequest;
  tags?: Record<string, string>;
}

const SIZE_LIMIT_BYTES = 24 * 1024;
const PAGE_LIMIT = 100;

function refuse(context: BatchContext, request: RegisterRequest): Refusal | undefined {
  if (!NAME_PATTERN.test(request.jobDefinitionName))
    return executionError('Job Definition name should match valid pattern');
  if (Buffer.byteLength(JSON.stringify(request)) > SIZE_LIMIT_BYTES)
    return executionError(`Job definition size must be at most ${SIZE_LIMIT_BYTES} bytes`);
  if (request.type !== 'container')
    return clientException('The local Batch endpoint runs job definitions of type container only.');
  const problem = containerProblem(request.containerProperties);
  if (problem !== undefined) return executionError(problem);
  return (
    refuseRetry(request.retryStrategy) ??
    refuseTimeout(context, request.timeout) ??
    refuseTags(request.tags)
  );
}

export const registerJobDefinition: Handler = (context, body) => {
  const request = requestAs<RegisterRequest>(body);
  const refusal = refuse(context, request);
  if (refusal !== undefined) return refusal;
  const name = request.jobDefinitionName;
  const revision = context.definitions.nextRevision(name);
  const arn = arnOf(context, 'job-definition', `${name}:${revision}`);
  const { tags = {}, ...kept } = body;
  const definition: Definition = {
    name,
    revision,
    arn,
    status: 'ACTIVE',
    knownAtMs: context.nowMs() + lagFor(context, 'RegisterJobDefinition', name),
    request: kept,
    tags: tags as Record<string, string>,
  };
  context.definitions.put(definition);
  context.journal.write({ event: 'definition', definition });
  return { jobDefinitionName: name, jobDefinitionArn: arn, revision };
};

export const deregisterJobDefinition: Handler = (context, body) => {
  const { jobDefinition } = requestAs<{ jobDefinition: string }>(body);
  const definition = nameOf('job-definition', jobDefinition).includes(':')
    ? context.definitions.find(jobDefinition)
    : undefined;
  if (definition === undefined)
    return clientException(
      `JobDefinition ${jobDefinition} not found; expected an ARN or name:revision.`,
    );
  const inactive: Definition = { ...definition, status: 'INACTIVE' };
  context.definitions.put(inactive);
  context.journal.write({ event: 'definition', definition: inactive });
  return {};
};

interface DescribeRequest {
  jobDefinitions?: string[];
  maxResults?: number;
  jobDefinitionName?: string;
  status?: string;
  nextToken?: string;
}

function select(
  { definitions }: BatchContext,
  { jobDefinitions, jobDefinitionName, status }: DescribeRequest,
): Definition[] {
  if (jobDefinitions !== undefined && jobDefinitions.length > 0) {
    const found = jobDefinitions.flatMap((reference) => {
      const hasRevision = nameOf('job-definition', reference).includes(':');
      return hasRevision
        ? [definitions.find(reference) ?? []].flat()
        : definitions.named(nameOf('job-definition', reference));
    });
    return [...new Set(found)].filter(
      (definition) => status === undefined || definition.status === status,
    );
  }
  const candidates =
    jobDefinitionName === undefined ? definitions.all() : definitions.named(jobDefinitionName);
  return candidates
    .filter((definition) => status === undefined || definition.status === status)
    .toReversed();
}

function view({ name, arn, revision, status, request, tags }: Definition): Record<string, unknown> {
  return {
    ...request,
    jobDefinitionName: name,
    jobDefinitionArn: arn,
    revision,
    status,
    containerOrchestrationType: 'ECS',
    ...(Object.keys(tags).length === 0 ? {} : { tags }),
  };
}

export const describeJobDefinitions: Handler = (context, body) => {
  const request = requestAs<DescribeRequest>(body);
  const limit = Math.min(request.maxResults ?? PAGE_LIMIT, PAGE_LIMIT);
  if (limit < 1) return executionError('maxResults must be at least 1');
  const paged = pageOf(select(context, request), request.nextToken, limit);
  if (isRefusal(paged)) return paged;
  const { page, ...next } = paged;
  return { jobDefinitions: page.map(view), ...next };
};
