/** How DescribeJobs and ListJobs show a job. Pure. */
import { arnOf, type BatchContext } from '../context.ts';
import { jobIdOf, type Attempt, type Job } from '../jobs.ts';

/**
 * Drops members without a value, as JSON does, so that the check sees what the client sees.
 */
function present(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined));
}

const unlessEmpty = <T extends object>(value: T) =>
  Object.keys(value).length === 0 ? undefined : value;

/** The array a job is, or is a child of. */
function arrayOf({
  children,
  parent,
  ordinal,
  submission,
}: Job): Record<string, unknown> | undefined {
  if (children !== undefined) {
    return {
      size: submission.arraySize,
      statusSummary: children.summary(),
      statusSummaryLastUpdatedAt: Date.now(),
    };
  }
  return parent === undefined ? undefined : { index: ordinal, size: submission.arraySize };
}

function attemptContainer(
  context: BatchContext,
  { taskId, exitCode, reason, logStreamName }: Partial<Attempt>,
): Record<string, unknown> {
  const cluster = `arn:aws:ecs:${context.region}:${context.accountId}`;
  return present({
    containerInstanceArn:
      taskId === undefined
        ? undefined
        : `${cluster}:container-instance/batchwell-local/${'0'.repeat(32)}`,
    taskArn: taskId === undefined ? undefined : `${cluster}:task/batchwell-local/${taskId}`,
    exitCode,
    reason,
    logStreamName,
  });
}

function attemptView(context: BatchContext, attempt: Attempt): Record<string, unknown> {
  return present({
    container: attemptContainer(context, attempt),
    startedAt: attempt.startedAtMs,
    stoppedAt: attempt.stoppedAtMs,
    statusReason: attempt.statusReason,
  });
}

function containerView(context: BatchContext, job: Job): Record<string, unknown> {
  const { container } = job.submission;
  const {
    vcpus: _vcpus,
    memory: _memory,
    resourceRequirements: _given,
    ...properties
  } = container.properties;
  const shown = job.live ?? job.attempts.at(-1);
  return {
    ...properties,
    command: container.command,
    environment: Object.entries(container.environment).map(([name, value]) => ({ name, value })),
    resourceRequirements: container.resourceRequirements,
    ...(shown === undefined ? {} : attemptContainer(context, shown)),
  };
}

export function jobDetail(context: BatchContext, job: Job): Record<string, unknown> {
  const { submission } = job;
  const jobId = jobIdOf(job);
  const stopped = job.stopped ?? job.parent?.stopped;
  return present({
    jobArn: arnOf(context, 'job', jobId),
    jobName: submission.jobName,
    jobId,
    jobQueue: arnOf(context, 'job-queue', submission.queueName),
    status: job.status,
    shareIdentifier: submission.shareIdentifier,
    schedulingPriority: submission.schedulingPriority,
    attempts: job.attempts.map((attempt) => attemptView(context, attempt)),
    statusReason: job.statusReason,
    createdAt: submission.createdAtMs,
    startedAt: job.startedAtMs,
    stoppedAt: job.stoppedAtMs,
    retryStrategy: submission.retry,
    dependsOn: submission.dependsOn,
    jobDefinition: submission.definitionArn,
    parameters: submission.parameters,
    container: containerView(context, job),
    arrayProperties: arrayOf(job),
    timeout:
      submission.timeoutSeconds === undefined
        ? undefined
        : { attemptDurationSeconds: submission.timeoutSeconds },
    tags: unlessEmpty(submission.tags),
    propagateTags: submission.propagateTags,
    platformCapabilities: ['EC2'],
    isCancelled: stopped?.how === 'cancel',
    isTerminated: stopped?.how === 'terminate',
  });
}

export function jobSummary(context: BatchContext, job: Job): Record<string, unknown> {
  const { submission } = job;
  const jobId = jobIdOf(job);
  const last = job.attempts.at(-1);
  const container =
    last === undefined || job.live !== undefined
      ? undefined
      : present({ exitCode: last.exitCode, reason: last.reason });
  return present({
    jobArn: arnOf(context, 'job', jobId),
    jobId,
    jobName: submission.jobName,
    createdAt: submission.createdAtMs,
    shareIdentifier: submission.shareIdentifier,
    status: job.status,
    statusReason: job.statusReason,
    startedAt: job.startedAtMs,
    stoppedAt: job.stoppedAtMs,
    container: container === undefined ? undefined : unlessEmpty(container),
    arrayProperties: arrayOf(job),
    jobDefinition: submission.definitionArn,
  });
}
