/** What AWS Batch says of a job that ended, and which kind of failure that is. */
import { stagerExit } from '../container/container.ts';
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
  | 'out-of-memory'
  | 'timed-out'
  | 'image-unavailable'
  | 'batch-refused'
  | 'script-unreadable'
  | 'result-missing'
>;

/**
 * Patterns of Batch's reasons; the first match wins. Source: AWS Batch user guide and users' issue
 * threads.
 */
const REASONS: readonly [RegExp, JobFailureKind][] = [
  [/^Host EC2/i, 'host-lost'],
  [/OutOfMemory/i, 'out-of-memory'],
  [/exceeded timeout/i, 'timed-out'],
  [/CannotPull|CannotStart|CannotCreate|CannotInspect|ImagePull/i, 'image-unavailable'],
  [/Container Overrides length/i, 'batch-refused'],
];

export function classifyJob(job: EndedJob): JobFailureKind {
  const texts = [job.statusReason ?? '', job.reason ?? ''];
  const found = REASONS.find(([pattern]) => texts.some((text) => pattern.test(text)));
  if (found) return found[1];
  if (job.exitCode === stagerExit.script) return 'script-unreadable';
  return 'result-missing';
}

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

const TRANSIENT = new RegExp(
  [
    'timeout',
    'timed out',
    'deadline exceeded',
    String.raw`\bEOF\b`,
    'connection (reset|refused)',
    'reset by peer',
    'temporar',
    'too ?many ?requests',
    'rate limit',
    'service unavailable',
    'internal server error',
    'bad gateway',
    String.raw`(status|code|http)[^0-9]{0,12}(429|50[0234])\b`,
  ].join('|'),
  'i',
);

/** Whether a registry reports a transient error; others (not found, denied) are permanent. */
export const isTransientReason = (reason: string): boolean => TRANSIENT.test(reason);
