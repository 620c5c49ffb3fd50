/**
 * Follows a log as it grows: current output, then new output, through all attempts, until the task
 * has ended.
 */
import { isPermanent } from '../../aws/s3-errors.ts';
import type { OpenedObject } from '../../aws/s3.ts';
import {
  beginningOf,
  nextPart,
  readWindow,
  type HeldLog,
  type LogBeginning,
  type LogPosition,
} from '../../core/container/live-log.ts';
import { isEnd } from '../../core/places.ts';
import { readAttempts, type AttemptView } from '../../db/attempt-views.ts';
import { readStandings, type TaskStanding } from '../../db/task-views.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { findWholeLog, windowKey, type WantedLog } from './logs.ts';
import type { TaskWaiter } from './wait.ts';

export interface FollowRequest extends WantedLog {
  /** Resume after this position of an earlier reply. */
  from?: LogPosition | undefined;
  /** Without `from`: largest number of bytes of the current output. */
  tailBytes: number;
}

export type LogPiece =
  | { is: 'text'; bytes: Uint8Array; after: LogPosition }
  | { is: 'begun'; why: LogBeginning; at: LogPosition }
  | { is: 'skipped'; bytes: number; at: LogPosition }
  /** There is no new output. */
  | { is: 'waiting' }
  | { is: 'ended'; at: LogPosition };

export type FollowDependencies = Pick<
  ApiDependencies,
  'config' | 'database' | 'logObjects' | 'log'
> & {
  taskWaiter: TaskWaiter;
};

/** 1,000 GetObject requests cost 0.0004 $, and the stager uploads at most every few seconds. */
const POLL_MS = 3000;
/**
 * Longest pause while the task waits; a change of the task ends it. Proxies close silent
 * connections after a minute.
 */
const IDLE_MS = 15_000;

interface Reading {
  wanted: FollowRequest;
  position: LogPosition;
  /** Applies to the first read only; later output is sent whole. */
  tailBytes?: number;
  /** ETag of the window that was read last. */
  etag?: string;
  /** Number of the last attempt whose log was read to its end. */
  readAttempt: number;
  signal: AbortSignal;
}

/**
 * Ends after the piece `ended`, or when the signal aborts. Waits while the database or S3 is
 * unavailable. Nothing is read ahead: a slow reader slows the reads down.
 */
export async function* followLog(
  dependencies: FollowDependencies,
  taskId: number,
  wanted: FollowRequest,
  signal: AbortSignal,
): AsyncGenerator<LogPiece, void, undefined> {
  const reading: Reading = {
    wanted,
    position: wanted.from ?? beginningOf(0),
    ...(wanted.from === undefined && { tailBytes: wanted.tailBytes }),
    readAttempt: 0,
    signal,
  };
  let standing: TaskStanding | undefined;
  let isUnavailable = false;
  while (!signal.aborted) {
    try {
      const seen = await readTask(dependencies, taskId);
      standing = seen.standing;
      yield* readOn(dependencies, seen.attempts, reading);
      delete reading.tailBytes;
      isUnavailable = false;
      if (isEnd(standing.place) && seen.attempts.every(({ outcome }) => outcome !== undefined)) {
        yield { is: 'ended', at: reading.position };
        return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isUnavailable)
        dependencies.log.warn({ event: 'follow-waits', error: String(error) }, 'follow-waits');
      isUnavailable = true;
    }
    yield { is: 'waiting' };
    await pause(dependencies, standing, isUnavailable, signal);
  }
}

async function readTask(
  { database }: FollowDependencies,
  taskId: number,
): Promise<{ standing: TaskStanding; attempts: AttemptView[] }> {
  // In this order, so that a task seen as ended has all its attempts.
  const [standing] = await readStandings(database.pool, [taskId]);
  if (!standing) throw new Error(`Task ${taskId} is not in the database.`);
  return { standing, attempts: (await readAttempts(database.pool, [taskId])).toReversed() };
}

/** Resolves when there may be new output, or when the signal aborts. */
async function pause(
  { taskWaiter, config }: FollowDependencies,
  standing: TaskStanding | undefined,
  isUnavailable: boolean,
  signal: AbortSignal,
): Promise<void> {
  const polls =
    isUnavailable || (standing?.running === true && standing.jobOpen && config.liveLogsMs > 0);
  const longestMs = polls
    ? Math.min(POLL_MS, isUnavailable ? POLL_MS : config.liveLogsMs)
    : IDLE_MS;
  if (standing === undefined) return waitFor(longestMs, signal);
  await taskWaiter.untilChanged(standing, longestMs, signal);
}

const waitFor = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });

/** @param attempts oldest first */
async function* readOn(
  dependencies: FollowDependencies,
  attempts: readonly AttemptView[],
  reading: Reading,
): AsyncGenerator<LogPiece, void, undefined> {
  // A new reader starts at the latest attempt; a reader that resumes gets all from its own.
  const wanted =
    reading.position.attempt === 0
      ? attempts.slice(-1)
      : attempts.filter(({ number }) => number >= reading.position.attempt);
  for (const attempt of wanted) {
    if (attempt.number <= reading.readAttempt) continue;
    if (attempt.number > reading.position.attempt) yield* begin(reading, attempt.number);
    const hasEnded = attempt.outcome !== undefined;
    if (hasEnded) yield* readWhole(dependencies, attempt, reading);
    else yield* readWindowOf(dependencies, attempt, reading);
    if (hasEnded) reading.readAttempt = attempt.number;
  }
}

function* begin(reading: Reading, attempt: number): Generator<LogPiece, void, undefined> {
  const isFirst = reading.position.attempt === 0;
  reading.position = beginningOf(attempt);
  delete reading.etag;
  if (!isFirst) yield { is: 'begun', why: 'attempt', at: reading.position };
}

async function* readWindowOf(
  { logObjects, log }: FollowDependencies,
  attempt: AttemptView,
  reading: Reading,
): AsyncGenerator<LogPiece, void, undefined> {
  const { etag, signal } = reading;
  const opened = await ignorePermanent(
    log,
    logObjects.open(windowKey(attempt, reading.wanted), {
      ...(etag !== undefined && { unlessEtag: etag }),
      signal,
    }),
  );
  if (opened === undefined || opened === 'unchanged') return;
  const held = readWindow(opened.metadata, opened.sizeBytes);
  if (held) yield* send(opened, held, reading);
  else opened.close();
  reading.etag = opened.etag;
}

/** An attempt that saved no log has only its window. */
async function* readWhole(
  dependencies: FollowDependencies,
  attempt: AttemptView,
  reading: Reading,
): AsyncGenerator<LogPiece, void, undefined> {
  const { logObjects, log } = dependencies;
  const whole = await ignorePermanent(log, findWholeLog(logObjects, attempt, reading.wanted));
  if (whole === undefined) return yield* readWindowOf(dependencies, attempt, reading);
  const held: HeldLog = {
    batchAttempt: whole.batchAttempt,
    firstByte: 0,
    endByte: whole.sizeBytes,
  };
  const next = nextPart(reading.position, held, reading.tailBytes);
  if (next === undefined) return;
  const opened = await logObjects.open(whole.key, {
    fromByte: next.at.bytes,
    signal: reading.signal,
  });
  if (opened === undefined || opened === 'unchanged') return;
  // A range: the body does not have the bytes before it.
  yield* send(opened, held, reading, next.at.bytes);
}

/** @param bodyFrom the position in the stream of the first byte of the body */
async function* send(
  opened: OpenedObject,
  held: HeldLog,
  reading: Reading,
  bodyFrom = held.firstByte,
): AsyncGenerator<LogPiece, void, undefined> {
  try {
    const next = nextPart(reading.position, held, reading.tailBytes);
    if (next === undefined) return;
    if (next.began !== undefined)
      yield { is: 'begun', why: next.began, at: { ...next.at, bytes: 0 } };
    if (next.skippedBytes > 0) yield { is: 'skipped', bytes: next.skippedBytes, at: next.at };
    reading.position = next.at;
    delete reading.tailBytes;
    let behind = next.at.bytes - bodyFrom;
    for await (const chunk of opened.body) {
      const bytes = chunk.subarray(Math.min(behind, chunk.length));
      behind -= chunk.length - bytes.length;
      if (bytes.length === 0) continue;
      reading.position = { ...reading.position, bytes: reading.position.bytes + bytes.length };
      yield { is: 'text', bytes, after: reading.position };
    }
  } finally {
    opened.close();
  }
}

/** A log that cannot be read now will not be readable later either, so it counts as absent. */
async function ignorePermanent<T>(
  log: ApiDependencies['log'],
  reading: Promise<T>,
): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (!isPermanent(error)) throw error;
    log.debug({ event: 'log-unreadable', error: String(error) }, 'log-unreadable');
    return undefined;
  }
}
