/** Whether the bucket, the job queues and the permissions serve a fleet. */
import type { EtagVerdict } from '../cache/judge-etags.ts';
import { fine, note, unknown, wrong, type Finding } from './finding.ts';

export interface SeenEnvironment {
  name: string;
  state: string;
  status: string;
  statusReason?: string;
  /** Undefined where Batch does not limit it. */
  maxVcpus?: number;
  instanceTypes: readonly string[];
}

export interface SeenQueue {
  name: string;
  arn: string;
  state: string;
  status: string;
  statusReason?: string;
  hasSharePolicy: boolean;
  environments: readonly SeenEnvironment[];
}

/** @param queue as tasks or settings name it; `seen` undefined where Batch has none */
export function checkQueue(queue: string, seen: SeenQueue | undefined): Finding[] {
  const check = `job queue ${queue}`;
  if (!seen)
    return [
      wrong(
        check,
        'AWS Batch has no such queue',
        'Create it, or correct the setting that names it.',
      ),
    ];
  return [
    queueItself(check, seen),
    ...seen.environments.map(checkEnvironment),
    ...whereToRun(check, seen),
  ];
}

const because = (reason: string | undefined): string => (reason ? `: ${reason}` : '');

function queueItself(check: string, { state, status, statusReason }: SeenQueue): Finding {
  if (state !== 'ENABLED')
    return wrong(check, 'disabled', 'Enable it: aws batch update-job-queue --state ENABLED.');
  return status === 'VALID'
    ? fine(check, 'enabled and valid')
    : wrong(check, `${status}${because(statusReason)}`, 'Correct what AWS Batch says of it.');
}

function checkEnvironment({
  name,
  state,
  status,
  statusReason,
  maxVcpus,
}: SeenEnvironment): Finding {
  const check = `compute environment ${name}`;
  if (status === 'INVALID')
    return wrong(
      check,
      `INVALID${because(statusReason)}`,
      'Correct what AWS Batch says: its role, launch template, subnets, or image.',
    );
  if (state !== 'ENABLED') return note(check, 'disabled', 'Enable it, or take it off the queue.');
  if (maxVcpus === 0)
    return wrong(check, 'its largest size is 0 vCPUs', 'Raise maxvCpus: it can start no host.');
  return fine(
    check,
    maxVcpus === undefined
      ? status.toLowerCase()
      : `${status.toLowerCase()}, up to ${maxVcpus} vCPUs`,
  );
}

const isUsable = ({ state, status, maxVcpus }: SeenEnvironment): boolean =>
  state === 'ENABLED' && status !== 'INVALID' && maxVcpus !== 0;

function whereToRun(check: string, { environments }: SeenQueue): Finding[] {
  return environments.some(isUsable)
    ? []
    : [
        wrong(
          check,
          'none of its compute environments can start a host',
          'Correct or enable one of them: jobs stay RUNNABLE.',
        ),
      ];
}

export interface BucketFacts {
  bucket: string;
  etags: EtagVerdict;
  /** `AES256`, `aws:kms`, …; undefined where S3 does not say. */
  encryption?: string | undefined;
  /** Whether what was written was read. */
  isReadBack: boolean;
}

export function checkBucket({ bucket, etags, encryption, isReadBack }: BucketFacts): Finding[] {
  return [
    isReadBack
      ? fine(`bucket ${bucket}`, 'can be listed, written, and read')
      : wrong(
          `bucket ${bucket}`,
          'an object that was just written reads otherwise',
          'Use S3, or a store that reads what was written: Batchwell needs strong consistency.',
        ),
    etags === 'distinct'
      ? fine('ETags', 'tell contents apart')
      : note(
          'ETags',
          etags === 'none' ? 'objects have none' : 'objects with different contents have one ETag',
          'Only checksums count here, so that inputs without one are not cached.',
        ),
    encryption === undefined
      ? note(
          'encryption',
          'not told for a new object',
          'Set a default encryption of the bucket (SSE-S3 or SSE-KMS).',
        )
      : fine('encryption', encryption),
  ];
}

/** What AWS answered to a request that changes nothing. */
export interface PermissionSeen {
  /** `batch:SubmitJob`. */
  action: string;
  /** `allowed` also where AWS refused it for another reason. */
  answer: 'allowed' | 'denied' | 'unknown';
  words: string;
}

export const checkPermission = ({ action, answer, words }: PermissionSeen): Finding => {
  const check = `permission ${action}`;
  if (answer === 'allowed') return fine(check, 'allowed');
  return answer === 'denied'
    ? wrong(check, words, `Allow ${action} to the role of the workers.`)
    : unknown(check, words);
};
