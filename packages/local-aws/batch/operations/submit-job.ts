/** SubmitJob. */
import { randomUUID } from 'node:crypto';
import {
  requestAs,
  arnOf,
  findQueue,
  lagFor,
  NAME_PATTERN,
  type BatchContext,
  type Handler,
} from '../context.ts';
import type { Definition } from '../definitions.ts';
import { clientException, executionError, isRefusal, type Refusal } from '../errors.ts';
import type { Dependency, Submission } from '../jobs.ts';
import {
  planContainer,
  type ContainerOverrides,
  type ContainerProperties,
} from './container-plan.ts';
import {
  refuseRetry,
  refuseTags,
  refuseTimeout,
  type RetryRequest,
  type TimeoutRequest,
} from './submission-rules.ts';

interface SubmitJobRequest {
  jobName: string;
  jobQueue: string;
  jobDefinition: string;
  shareIdentifier?: string;
  schedulingPriorityOverride?: number;
  arrayProperties?: { size?: number };
  dependsOn?: Dependency[];
  parameters?: Record<string, string>;
  containerOverrides?: ContainerOverrides;
  retryStrategy?: RetryRequest;
  timeout?: TimeoutRequest;
  propagateTags?: boolean;
  tags?: Record<string, string>;
}

interface DefinitionDefaults {
  type: string;
  containerProperties?: ContainerProperties;
  parameters?: Record<string, string>;
  retryStrategy?: RetryRequest;
  timeout?: TimeoutRequest;
  propagateTags?: boolean;
  schedulingPriority?: number;
}

const SMALLEST_ARRAY = 2;
const LARGEST_ARRAY = 10_000;
const MOST_DEPENDENCIES = 20;

function refuseDependency(
  { store }: BatchContext,
  { jobId = '', type }: Dependency,
  arraySize: number | undefined,
): Refusal | undefined {
  if (type !== undefined && arraySize === undefined)
    return executionError(`${type} dependencies require an array job`);
  if (type === 'SEQUENTIAL') return undefined;
  const other = store.get(jobId);
  if (other === undefined) return executionError(`Job dependency ${jobId} does not exist`);
  if (type !== 'N_TO_N' || other.submission.arraySize === arraySize) return undefined;
  return executionError(
    `N_TO_N dependencies require array jobs of equal size, and ${jobId} has ` +
      `${other.submission.arraySize ?? 'no'} children`,
  );
}

function refuseDependencies(
  context: BatchContext,
  { dependsOn = [], arrayProperties }: SubmitJobRequest,
): Refusal | undefined {
  if (dependsOn.length > MOST_DEPENDENCIES)
    return executionError(`A job can depend on up to ${MOST_DEPENDENCIES} jobs`);
  for (const dependency of dependsOn) {
    const refusal = refuseDependency(context, dependency, arrayProperties?.size);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function refuseRequest(context: BatchContext, request: SubmitJobRequest): Refusal | undefined {
  if (!NAME_PATTERN.test(request.jobName))
    return executionError('Job name should match valid pattern');
  const size = request.arrayProperties?.size;
  if (size !== undefined && (size < SMALLEST_ARRAY || size > LARGEST_ARRAY)) {
    return executionError(
      `Array Job size must be at least ${SMALLEST_ARRAY} and at most ${LARGEST_ARRAY}`,
    );
  }
  return (
    refuseRetry(request.retryStrategy) ??
    refuseTimeout(context, request.timeout) ??
    refuseTags(request.tags) ??
    refuseDependencies(context, request)
  );
}

function findDefinition(
  { definitions, nowMs }: BatchContext,
  reference: string,
): Definition | Refusal {
  const definition = definitions.find(reference);
  if (definition === undefined || definition.knownAtMs > nowMs())
    return clientException(`JobDefinition ${reference} not found.`, 404);
  if (definition.status !== 'ACTIVE')
    return clientException(`JobDefinition ${reference} is not ACTIVE.`);
  return definition;
}

/** Omits undefined, as exactOptionalPropertyTypes and JSON require. */
function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  const result: { [P in K]?: V } = {};
  if (value !== undefined) result[key] = value;
  return result;
}

function makeSubmission(
  context: BatchContext,
  request: SubmitJobRequest,
  queueName: string,
  definition: Definition,
): Submission {
  // The definition was checked against the service model when it was registered.
  const defaults = requestAs<DefinitionDefaults>(definition.request);
  const parameters = { ...defaults.parameters, ...request.parameters };
  const { attempts = 1, evaluateOnExit = [] } = {
    ...defaults.retryStrategy,
    ...request.retryStrategy,
  };
  const timeout = { ...defaults.timeout, ...request.timeout };
  const nowMs = context.nowMs();
  return {
    jobId: randomUUID(),
    jobName: request.jobName,
    queueName,
    definitionArn: definition.arn,
    createdAtMs: nowMs,
    listedAtMs: nowMs + lagFor(context, 'SubmitJob', request.jobName),
    ...optional('arraySize', request.arrayProperties?.size),
    dependsOn: request.dependsOn ?? [],
    parameters,
    container: planContainer(
      defaults.containerProperties ?? {},
      request.containerOverrides ?? {},
      parameters,
    ),
    retry: { attempts, evaluateOnExit },
    ...optional('timeoutSeconds', timeout.attemptDurationSeconds),
    ...optional('shareIdentifier', request.shareIdentifier),
    ...optional(
      'schedulingPriority',
      request.schedulingPriorityOverride ?? defaults.schedulingPriority,
    ),
    ...optional('propagateTags', request.propagateTags ?? defaults.propagateTags),
    tags: request.tags ?? {},
  };
}

export const submitJob: Handler = (context, body) => {
  const request = requestAs<SubmitJobRequest>(body);
  const refusal = refuseRequest(context, request);
  if (refusal !== undefined) return refusal;
  const queue = findQueue(context, request.jobQueue);
  if (isRefusal(queue)) return queue;
  if (queue.state !== 'ENABLED')
    return clientException(`JobQueue ${request.jobQueue} is not ENABLED.`);
  const definition = findDefinition(context, request.jobDefinition);
  if (isRefusal(definition)) return definition;
  const job = context.engine.submit(makeSubmission(context, request, queue.name, definition));
  const { jobId, jobName } = job.submission;
  context.store.forgetOld(context.nowMs());
  return { jobArn: arnOf(context, 'job', jobId), jobName, jobId };
};
