/** Where the logs of an attempt lie, and the end of them. */
import type { OpenedObject, OpenOptions } from '../../aws/s3.ts';
import { readWindow } from '../../core/container/live-log.ts';
import { inSubmission, submissionPrefix } from '../../core/files/s3-layout.ts';
import type { AttemptView } from '../../db/task-views.ts';

export type Stream = 'stdout' | 'stderr';

export interface WantedLog {
  stream: Stream;
  /** From 0. */
  executor: number;
}

/** Batchwell's own objects in the work bucket, by key. Each may reject: S3 can be away. */
export interface LogObjects {
  /** The last `mostBytes`; undefined when it is not there. */
  readTail(key: string, mostBytes: number): Promise<Buffer | undefined>;
  open(key: string, options?: OpenOptions): Promise<OpenedObject | 'unchanged' | undefined>;
  describe(
    key: string,
  ): Promise<{ sizeBytes: number; metadata: Record<string, string> } | undefined>;
}

type Placed = Pick<AttemptView, 'submissionKey' | 'arrayIndex'>;

/** Of an attempt that ended, under Batch's own attempt. */
export const wholeLogKey = (
  { submissionKey, arrayIndex }: Placed,
  batchAttempt: number,
  { executor, stream }: WantedLog,
): string =>
  submissionPrefix(submissionKey) +
  inSubmission.log(arrayIndex, batchAttempt, `${executor}.${stream}`);

/** The newest part of one that runs, or that ended without saving its logs. */
export const windowKey = (
  { submissionKey, arrayIndex }: Placed,
  { executor, stream }: WantedLog,
): string =>
  submissionPrefix(submissionKey) + inSubmission.live(arrayIndex, `${executor}.${stream}`);

export interface WholeLog {
  key: string;
  batchAttempt: number;
  sizeBytes: number;
}

/**
 * The whole log of an attempt that ended; undefined when it was empty, or not saved. Batch's attempt is known from the result
 * record; one that was killed (a cancel, a timeout, a lost host) left none, and then only its window tells.
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

/** The last bytes of what is known of a log; undefined when nothing is. */
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
