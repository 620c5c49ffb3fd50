/** A log as it grows: what is there, then what comes, through all attempts of the task, until it has ended. */
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
import {
  readAttempts,
  readStandings,
  type AttemptView,
  type TaskStanding,
} from '../../db/task-views.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { findWholeLog, windowKey, type WantedLog } from './logs.ts';
import type { TaskWaiter } from './wait.ts';

export interface FollowWish extends WantedLog {
  /** Where an earlier reading ended. */
  from?: LogPosition | undefined;
  /** Without that, at most so many bytes of what is there now. */
  tailBytes: number;
}

export type LogPiece =
  | { is: 'text'; bytes: Uint8Array; after: LogPosition }
  | { is: 'begun'; why: LogBeginning; at: LogPosition }
  | { is: 'skipped'; bytes: number; at: LogPosition }
  /** Nothing is new. */
  | { is: 'waiting' }
  | { is: 'ended'; at: LogPosition };

export type FollowDependencies = Pick<
  ApiDependencies,
  'config' | 'database' | 'logObjects' | 'log'
> & {
  taskWaiter: TaskWaiter;
};

/** A request of 0.0004 $ per thousand (GetObject), and the stager ships at most every few seconds. */
const LOOK_MS = 3000;
/** While the task only waits; it is woken when the task stands elsewhere. Proxies cut what is silent for a minute. */
const IDLE_MS = 15_000;

interface Reading {
  wish: FollowWish;
  position: LogPosition;
  /** For what is there at the first look; what comes later is wanted whole. */
  tailBytes?: number;
  /** Of the window that was read last. */
  etag?: string;
  /** The last attempt whose log was read to its end. */
  readAttempt: number;
  signal: AbortSignal;
}

/**
 * Ends after the piece `ended`, or when the signal is aborted. While the database or S3 is away it waits. Nothing is read ahead: a
 * slow reader slows it down.
 */
export async function* followLog(
  dependencies: FollowDependencies,
  taskId: number,
  wish: FollowWish,
  signal: AbortSignal,
): AsyncGenerator<LogPiece, void, undefined> {
  const reading: Reading = {
    wish,
    position: wish.from ?? beginningOf(0),
    ...(wish.from === undefined && { tailBytes: wish.tailBytes }),
    readAttempt: 0,
    signal,
  };
  let standing: TaskStanding | undefined;
  let isAway = false;
  while (!signal.aborted) {
    try {
      const seen = await lookAtTask(dependencies, taskId);
      standing = seen.standing;
      yield* readOn(dependencies, seen.attempts, reading);
      delete reading.tailBytes;
      isAway = false;
      if (isEnd(standing.place) && seen.attempts.every(({ outcome }) => outcome !== undefined)) {
        yield { is: 'ended', at: reading.position };
        return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isAway)
        dependencies.log.warn({ event: 'follow-waits', error: String(error) }, 'follow-waits');
      isAway = true;
    }
    yield { is: 'waiting' };
    await pause(dependencies, standing, isAway, signal);
  }
}

async function lookAtTask(
  { database }: FollowDependencies,
  taskId: number,
): Promise<{ standing: TaskStanding; attempts: AttemptView[] }> {
  // In this order: an end that is seen comes with all attempts.
  const [standing] = await readStandings(database.pool, [taskId]);
  if (!standing) throw new Error(`Task ${taskId} is not in the database.`);
  return { standing, attempts: (await readAttempts(database.pool, [taskId])).toReversed() };
}

/** Resolves when there may be news; at once when the signal is aborted. */
async function pause(
  { taskWaiter, config }: FollowDependencies,
  standing: TaskStanding | undefined,
  isAway: boolean,
  signal: AbortSignal,
): Promise<void> {
  const looks = isAway || (standing?.running === true && standing.jobOpen && config.liveLogsMs > 0);
  const longestMs = looks ? Math.min(LOOK_MS, isAway ? LOOK_MS : config.liveLogsMs) : IDLE_MS;
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
  // Who begins wants the latest; who goes on, all from where they were.
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
  const opened = await unlessForGood(
    log,
    logObjects.open(windowKey(attempt, reading.wish), {
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

/** Where the attempt saved no log, its window is the last that is known. */
async function* readWhole(
  dependencies: FollowDependencies,
  attempt: AttemptView,
  reading: Reading,
): AsyncGenerator<LogPiece, void, undefined> {
  const { logObjects, log } = dependencies;
  const whole = await unlessForGood(log, findWholeLog(logObjects, attempt, reading.wish));
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
  // A range of it: what stands before is not in the body.
  yield* send(opened, held, reading, next.at.bytes);
}

/** @param bodyFrom the byte of the stream with which the body begins */
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

/** A log that may not be read will not be readable at the next look, so it counts as none. */
async function unlessForGood<T>(
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
