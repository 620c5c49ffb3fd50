/** Where the logs of an attempt are, and how to read their end. */
import type { OpenedObject, OpenOptions } from '../../aws/s3.ts';
import { readWindow } from '../../core/container/live-log.ts';
import { inSubmission, submissionPrefix } from '../../core/files/s3-layout.ts';
import type { AttemptView } from '../../db/attempt-views.ts';

export type Stream = 'stdout' | 'stderr';

export interface WantedLog {
  stream: Stream;
  /** From 0. */
  executor: number;
}

/**
 * Batchwell's own objects in the work bucket, by key. Each call rejects while S3 is unavailable.
 */
export interface LogObjects {
  /** The last `mostBytes`; undefined when the object does not exist. */
  readTail(key: string, mostBytes: number): Promise<Buffer | undefined>;
  open(key: string, options?: OpenOptions): Promise<OpenedObject | 'unchanged' | undefined>;
  describe(
    key: string,
  ): Promise<{ sizeBytes: number; metadata: Record<string, string> } | undefined>;
}

type AttemptKey = Pick<AttemptView, 'submissionKey' | 'owner' | 'installation' | 'arrayIndex'>;

/** The log that an ended attempt saved, under the number of Batch's own attempt. */
export const wholeLogKey = (
  attempt: AttemptKey,
  batchAttempt: number,
  { executor, stream }: WantedLog,
): string =>
  submissionPrefix(attempt) +
  inSubmission.log(attempt.arrayIndex, batchAttempt, `${executor}.${stream}`);

/** The newest part of the log of an attempt that runs, or that ended without saving its logs. */
export const windowKey = (attempt: AttemptKey, { executor, stream }: WantedLog): string =>
  submissionPrefix(attempt) + inSubmission.live(attempt.arrayIndex, `${executor}.${stream}`);

export interface WholeLog {
  key: string;
  batchAttempt: number;
  sizeBytes: number;
}

/**
 * The whole log of an attempt that ended; undefined when it was empty or not saved. The result
 * record has the number of Batch's own attempt. A killed attempt (cancelled, timed out, host lost)
 * left no record, so the number comes from its window.
 */
export async function findWholeLog(
  objects: LogObjects,
  attempt: AttemptView,
  wanted: WantedLog,
): Promise<WholeLog | undefined> {
  const batchAttempt =
    attempt.batchAttempt ?? (await batchAttemptOfWindow(objects, attempt, wanted));
  if (batchAttempt === undefined) return undefined;
  const key = wholeLogKey(attempt, batchAttempt, wanted);
  const found = await objects.describe(key);
  return found && { key, batchAttempt, sizeBytes: found.sizeBytes };
}

async function batchAttemptOfWindow(
  objects: LogObjects,
  attempt: AttemptView,
  wanted: WantedLog,
): Promise<number | undefined> {
  const window = await objects.describe(windowKey(attempt, wanted));
  return window && readWindow(window.metadata, window.sizeBytes)?.batchAttempt;
}

/** The end of the log as far as it is known; undefined when nothing is known. */
export async function readLogEnd(
  objects: LogObjects,
  attempt: AttemptView,
  wanted: WantedLog,
  mostBytes: number,
): Promise<Buffer | undefined> {
  const whole =
    attempt.outcome === undefined ? undefined : await findWholeLog(objects, attempt, wanted);
  return objects.readTail(whole?.key ?? windowKey(attempt, wanted), mostBytes);
}
