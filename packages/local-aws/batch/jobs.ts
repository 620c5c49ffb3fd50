/** What the local Batch knows of a job: plain data, moved by engine.ts and shown by operations/. */

/** In the order of a job's life. */
export const JOB_STATUSES = [
  'SUBMITTED',
  'PENDING',
  'RUNNABLE',
  'STARTING',
  'RUNNING',
  'SUCCEEDED',
  'FAILED',
] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

export const isTerminal = (status: JobStatus) => status === 'SUCCEEDED' || status === 'FAILED';

export interface ExitRule {
  onStatusReason?: string;
  onReason?: string;
  onExitCode?: string;
  action: 'RETRY' | 'EXIT';
}

export interface RetryStrategy {
  attempts: number;
  evaluateOnExit: ExitRule[];
}

export interface Dependency {
  jobId?: string;
  type?: 'N_TO_N' | 'SEQUENTIAL';
}

/** What a container gets besides image, command and size; most have none of it. */
export interface ContainerExtras {
  /** Name or ID, with a group after a colon; the image's own when absent. */
  user?: string;
  /** -1 for no limit. */
  ulimits?: { name: string; soft: number; hard: number }[];
  sharedMemoryMiB?: number;
  tmpfs?: { path: string; sizeMiB: number }[];
  secrets?: { name: string; arn: string }[];
  /** ARN of the secret with the login of the image's registry. */
  login?: string;
}

export interface Mount {
  /** Absent for a volume without a host path, which is private to the job and removed with it. */
  hostPath?: string;
  /** Its folder below those of all file systems; absent for a volume that is not of one. */
  fileSystem?: string;
  volume: string;
  containerPath: string;
  readOnly: boolean;
}

/** The container that definition and overrides result in. */
export interface ContainerPlan {
  extras?: ContainerExtras;
  image: string;
  command: string[];
  environment: Record<string, string>;
  vcpus: number;
  memoryMiB: number;
  mounts: Mount[];
  readonlyRoot: boolean;
  /** The definition's containerProperties as registered, for what only DescribeJobs shows. */
  properties: Record<string, unknown>;
  resourceRequirements: { type: string; value: string }[];
  /** Length of the overrides as ECS would receive them, in characters. */
  overridesLength: number;
}

/**
 * What one SubmitJob fixed. The children of an array share it. It survives JSON, because the
 * journal holds it.
 */
export interface Submission {
  jobId: string;
  jobName: string;
  queueName: string;
  definitionArn: string;
  createdAtMs: number;
  /** ListJobs does not show the job before this moment. */
  listedAtMs: number;
  arraySize?: number;
  dependsOn: Dependency[];
  parameters: Record<string, string>;
  container: ContainerPlan;
  retry: RetryStrategy;
  timeoutSeconds?: number;
  shareIdentifier?: string;
  schedulingPriority?: number;
  propagateTags?: boolean;
  tags: Record<string, string>;
}

/** One attempt that has ended. */
export interface Attempt {
  /** Absent when the container never started. */
  startedAtMs?: number;
  stoppedAtMs: number;
  statusReason: string;
  exitCode?: number;
  reason?: string;
  logStreamName?: string;
  taskId: string;
}

/** The attempt that is being started or runs now. */
export interface LiveAttempt {
  number: number;
  taskId: string;
  logStreamName?: string;
  startedAtMs?: number;
  /** Ends it. The outcome given here counts, not what the container then returns. */
  stop(outcome: AttemptOutcome, how: 'politely' | 'at-once'): void;
}

export interface AttemptOutcome {
  statusReason: string;
  exitCode?: number;
  reason?: string;
  /** False for what AWS never retries: cancelled, terminated, timed out. */
  retriable: boolean;
}

/** The jobs of a queue, or the children of an array. See job-group.ts. */
export interface JobGroup {
  add(job: Job): void;
  /** Changes only the job's status. */
  move(job: Job, to: JobStatus): void;
  remove(job: Job): void;
  at(ordinal: number): Job | undefined;
  /** One more than the highest ordinal ever given. */
  size(): number;
  count(status: JobStatus): number;
  /** The counts of all statuses that have any, in the shape of statusSummary. */
  summary(): Record<string, number>;
  /** The lowest job of this status at or above `from`. */
  first(status: JobStatus, from: number): Job | undefined;
  /** Upwards from `from` (included), jobs of one status or of all. */
  upwards(status: JobStatus | undefined, from: number): Generator<Job>;
  /** Downwards from `from` (included). */
  downwards(status: JobStatus | undefined, from: number): Generator<Job>;
}

/** A single job, an array parent, or an array child. */
export interface Job {
  submission: Submission;
  /** Its queue's jobs, or for a child its array's. */
  group: JobGroup;
  /** Its place in the group; for a child also its array index. */
  ordinal: number;
  status: JobStatus;
  statusReason?: string;
  startedAtMs?: number;
  stoppedAtMs?: number;
  attempts: Attempt[];
  live?: LiveAttempt;
  /** How many dependencies have not yet succeeded. */
  waitingFor: number;
  /** Set by CancelJob and TerminateJob; the reason becomes the statusReason. */
  stopped?: { how: 'cancel' | 'terminate'; reason: string };
  /** The parent of a child. */
  parent?: Job;
  /** The children of a parent. */
  children?: JobGroup;
  /** Jobs, or whole arrays, that wait for this one to succeed. Released when it ends. */
  waiters?: Job[];
}

export function jobIdOf(job: Job): string {
  return job.parent === undefined ? job.submission.jobId : `${job.submission.jobId}:${job.ordinal}`;
}

export const MILLISECONDS_PER_SECOND = 1000;
