// cspell:ignore deregist stopp terminat cancell
/** What AWS Batch says of a job that ended, and which kind of failure that is. */
import { stagerExit } from '../container/container.ts';
import { judgeContainer, type ContainerFault, type TaskParameter } from './container-reasons.ts';
import type { FailureKind } from './failures.ts';

export interface EndedJob {
  status: 'SUCCEEDED' | 'FAILED';
  exitCode?: number;
  /** The container's reason, such as `OutOfMemoryError: Container killed due to memory usage`. */
  reason?: string;
  /** The job's reason, such as `Host EC2 (instance i-…) terminated.` */
  statusReason?: string;
}

export type JobFailureKind = Extract<
  FailureKind,
  | 'host-lost'
  | 'host-fault'
  | 'out-of-memory'
  | 'timed-out'
  | 'image-unavailable'
  | 'image-refused'
  | 'request-refused'
  | 'misconfigured'
  | 'not-started'
  | 'job-terminated'
  | 'batch-refused'
  | 'script-unreadable'
  | 'result-missing'
>;

export interface JobVerdict {
  kind: JobFailureKind;
  /** What happened, in place of the kind's own words. */
  fact?: string;
  /** What to do next, in place of the kind's own advice. */
  advice?: string;
  /** What is wrong if the ARN in Batch's words is one that the task named. */
  parameter?: TaskParameter;
  /** The image's registry may answer at the next try. */
  transient?: true;
}

/** 128 + SIGKILL: how a process ends that the kernel or the host kills. */
export const KILLED = 137;

/**
 * From Batch's words to a verdict; the first rule that applies wins. What ended the job comes
 * first: Batch stops the container of a job that ran too long, so its exit code and the agent's
 * words tell only of the stop.
 */
export function classifyJob(job: EndedJob): JobVerdict {
  const texts = [job.statusReason ?? '', job.reason ?? ''];
  const says = (pattern: RegExp): boolean => texts.some((text) => pattern.test(text));
  if (says(/duration exceeded timeout/i)) return { kind: 'timed-out' };
  if (says(HOST_GONE)) return { kind: 'host-lost' };
  if (says(/Container Overrides length/i)) return { kind: 'batch-refused' };
  return (
    notStarted(job) ??
    endedBySomeone(job) ??
    ofContainer(judgeContainer(job.reason ?? '') ?? judgeContainer(job.statusReason ?? '')) ??
    ofEnd(job)
  );
}

const HOST_GONE = new RegExp(
  [
    String.raw`\bHost EC2\b`,
    'spot ?(interruption|task was interrupted)',
    'container instance.*(deregist|drain|stopp|terminat)',
    'termination ?notice',
  ].join('|'),
  'i',
);

const TIME_LIMIT =
  /JobStateTimeLimit|\b(CAPACITY|MISCONFIGURATION):\w|^(ACTION_REQUIRED|UNDETERMINED)\b/i;

/**
 * A job that its queue's jobStateTimeLimitActions ended, by the reason why it could not start
 * (source: AWS Batch user guide, "Jobs stuck in a RUNNABLE status").
 */
function notStarted({ statusReason = '', exitCode }: EndedJob): JobVerdict | undefined {
  // The reason of a job that started late stays until it ends.
  if (exitCode !== undefined || !TIME_LIMIT.test(statusReason)) return undefined;
  if (/\bCAPACITY:/i.test(statusReason))
    return {
      kind: 'not-started',
      advice: 'Submit the task again later, or use a queue that has more instance types.',
    };
  return /MAX_RESOURCE|RESOURCE_REQUIREMENT/i.test(statusReason)
    ? {
        kind: 'request-refused',
        advice: 'Request fewer cpu_cores or less ram_gb, or use a queue with larger hosts.',
      }
    : { kind: 'not-started' };
}

/** Words of someone who called TerminateJob or CancelJob, this fleet among them. */
function endedBySomeone({ statusReason = '' }: EndedJob): JobVerdict | undefined {
  return /^Batchwell: |^((job|task) )?(cancell?ed|terminated)\b/i.test(statusReason)
    ? { kind: 'job-terminated' }
    : undefined;
}

const misconfigured = ({ parameter }: ContainerFault): JobVerdict => ({
  kind: 'misconfigured',
  ...(parameter && { parameter }),
});

function ofContainer(fault: ContainerFault | undefined): JobVerdict | undefined {
  if (!fault) return undefined;
  const { of, advice, isPull } = fault;
  switch (of) {
    case 'host':
      return { kind: 'host-fault' };
    case 'memory':
      return { kind: 'out-of-memory' };
    case 'configuration':
      return misconfigured(fault);
    case 'registry':
    case 'pull':
      return {
        kind: 'image-unavailable',
        fact: PULL_FACT,
        ...(advice !== undefined && { advice }),
        ...(of === 'registry' && { transient: true }),
      };
    case 'image':
      return {
        kind: 'image-refused',
        ...(isPull && { fact: PULL_FACT }),
        ...(advice !== undefined && { advice }),
      };
  }
}

const PULL_FACT = 'The image could not be pulled';

/** Nobody said why the container ended: its exit code, and who ended the job, are left. */
function ofEnd({ exitCode, statusReason = '' }: EndedJob): JobVerdict {
  if (exitCode === stagerExit.script) return { kind: 'script-unreadable' };
  const isOfBatch = /^\W*$|^Essential container|^Array Child Job failed/i.test(statusReason);
  // The stager passes SIGTERM on and leaves no record; nothing in its container can kill it. With a
  // reason that is not Batch's own, someone called TerminateJob. Without one, it was the host.
  if (exitCode === stagerExit.terminated || exitCode === KILLED)
    return { kind: isOfBatch ? 'host-fault' : 'job-terminated' };
  return exitCode !== undefined && isOfOtherProgram(exitCode)
    ? { kind: 'result-missing', advice: CHECK_ENTRYPOINT }
    : { kind: 'result-missing' };
}

const FIRST_SIGNAL = 128;
const STAGER_CODES: readonly number[] = Object.values(stagerExit);

/** A container whose first process is the stager ends with these only after it left a record. */
const isOfOtherProgram = (exitCode: number): boolean =>
  exitCode < FIRST_SIGNAL && !STAGER_CODES.includes(exitCode);

const CHECK_ENTRYPOINT =
  'If the image has an ENTRYPOINT, that program ran in place of the task, because AWS Batch ' +
  'cannot override it: use an image without one, or one whose ENTRYPOINT runs its arguments ' +
  '(exec "$@"). Else read the container\'s log in AWS Batch.';

/** Batch's own words, without a full stop at the end. */
export function describeJob(job: EndedJob): string {
  const parts = [
    job.statusReason,
    job.reason,
    job.exitCode === undefined ? undefined : `exit code ${job.exitCode}`,
  ];
  const words = parts
    .filter((part): part is string => part !== undefined && part !== '')
    .map((part) => part.replace(/\.$/, ''));
  return words.length > 0 ? [...new Set(words)].join('; ') : `AWS Batch reports ${job.status}`;
}
