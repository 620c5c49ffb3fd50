/**
 * Copies outputs from S3 to the mount, rc last: Cromwell sees the end of a call by its state, and
 * then reads rc. Progress is kept in memory only. After a restart, comparing the mount with S3
 * shows what is still to be copied.
 */
import {
  filesToBringHome,
  logsToBringHome,
  type HomeFile,
} from '../../core/files/cromwell-proxy.ts';
import { forgetOldest } from '../../core/forget-oldest.ts';
import type { PathMap } from '../../core/files/path-map.ts';
import { allSettled, limitTo } from '../../stager/limit.ts';
import { reasonOf } from '../../stager/s3.ts';
import type { Log } from '../../telemetry/log.ts';
import { backoffMs } from './backoff.ts';
import type { Copies } from './copies.ts';
import { statOf, writeWhole, type Mount } from './mount.ts';

export interface BringHome {
  /**
   * Whether all files of an ended task are on the mount. Waits up to `HOLD_MS` for them; false
   * means that they are still being copied.
   * @param readTask its FULL view, or undefined when it is not available now
   */
  isHome(id: string, readTask: () => Promise<unknown>, signal: AbortSignal): Promise<boolean>;
}

export interface BringHomeDependencies {
  copies: Copies;
  mount: Mount;
  map: PathMap;
  log: Log;
  nowMs: () => number;
}

/**
 * Cromwell polls a long call every five minutes, and would see its end only at the poll after the
 * one that started the copy. It also has few connections (akka: 4), so a poll must not be held for
 * long.
 */
const HOLD_MS = 5000;
const TASKS_AT_ONCE = 8;
/** About 100 bytes each; a task that is forgotten is compared with S3 again. */
const MOST_HOME = 100_000;

interface Journey {
  failures: number;
  notBeforeMs: number;
  underWay?: Promise<boolean>;
}

export function createBringHome(dependencies: BringHomeDependencies): BringHome {
  const { log, nowMs } = dependencies;
  const home = new Set<string>();
  const journeys = new Map<string, Journey>();
  const tasks = limitTo(TASKS_AT_ONCE);

  /**
   * One copy at a time for each task. After a failure it pauses before the next try. Tries never
   * end: a full disk must not fail a call that succeeded.
   */
  function start(id: string, readTask: () => Promise<unknown>): Promise<boolean> {
    const journey = journeys.get(id) ?? { failures: 0, notBeforeMs: 0 };
    if (journey.underWay) return journey.underWay;
    if (nowMs() < journey.notBeforeMs) return Promise.resolve(false);
    journeys.set(id, journey);
    journey.underWay = tasks(() => travel(dependencies, id, readTask)).then(
      (arrived) => {
        if (arrived) remember(home, id);
        journeys.delete(id);
        return arrived;
      },
      (error: unknown) => {
        delete journey.underWay;
        journey.failures += 1;
        const pauseMs = backoffMs(journey.failures);
        journey.notBeforeMs = nowMs() + pauseMs;
        log.error(
          {
            event: 'not-brought-home',
            task: id,
            tries: journey.failures,
            nextInMs: pauseMs,
            error: reasonOf(error),
          },
          'not-brought-home',
        );
        return false;
      },
    );
    return journey.underWay;
  }

  return {
    async isHome(id, readTask, signal) {
      if (home.has(id)) return true;
      return unlessLate(start(id, readTask), HOLD_MS, signal);
    },
  };
}

function remember(home: Set<string>, id: string): void {
  home.add(id);
  forgetOldest(home, MOST_HOME);
}

/** False when it takes longer, or when the caller has disconnected. */
function unlessLate(work: Promise<boolean>, ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const late = (): void => settle(false);
    const timer = setTimeout(late, ms);
    const settle = (is: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', late);
      resolve(is);
    };
    signal.addEventListener('abort', late, { once: true });
    if (signal.aborted) late();
    void work.then(settle);
  });
}

/** @returns false when the task's view is not available now */
async function travel(
  dependencies: BringHomeDependencies,
  id: string,
  readTask: () => Promise<unknown>,
): Promise<boolean> {
  const { log, map, nowMs } = dependencies;
  const startMs = nowMs();
  const task = await readTask();
  if (task === undefined) return false;
  const files = filesToBringHome(task, map);
  const others = await allSettled(
    files.filter(({ isRc }) => !isRc).map((file) => bringFile(dependencies, id, file)),
  );
  for (const { path, text } of logsToBringHome(task, map)) {
    await dependencies.mount.makeFolderFor(path);
    if ((await statOf(path)) === undefined) await writeWhole(path, text);
  }
  const rc = await allSettled(
    files.filter(({ isRc }) => isRc).map((file) => bringFile(dependencies, id, file)),
  );
  const brought = [...others, ...rc].filter((bytes) => bytes !== undefined);
  log.info(
    {
      event: 'brought-home',
      task: id,
      files: brought.length,
      bytes: brought.reduce((sum, bytes) => sum + bytes, 0),
      unchanged: files.length - brought.length,
      ms: nowMs() - startMs,
    },
    'brought-home',
  );
  return true;
}

/**
 * @returns its bytes; undefined for a file that was there, or that S3 no longer has: Cromwell
 * judges what is missing
 */
async function bringFile(
  { copies, mount, log }: BringHomeDependencies,
  id: string,
  { url, path, isRc }: HomeFile,
): Promise<number | undefined> {
  await mount.makeFolderFor(path);
  if ((await statOf(path)) !== undefined) {
    const object = await copies.objects.describe(url);
    if (object && (await copies.isSame(path, object))) return undefined;
    if (isRc) {
      log.warn({ event: 'rc-kept', task: id, path }, 'rc-kept');
      return undefined;
    }
  }
  if ((await copies.download(url, path)) === 'gone') {
    log.warn({ event: 'output-gone', task: id, url }, 'output-gone');
    return undefined;
  }
  return Number((await statOf(path))?.size ?? 0);
}
