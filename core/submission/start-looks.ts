/**
 * When it is worth a request to learn which children of an array run. Poll's listings of results show
 * the starts, too; this is for the looks at which nothing has ended.
 */

export interface StartLooks {
  /** Since when Batch has counted other than the known number of running children. */
  differsMs: number | undefined;
  /** Listings of results that were made only for starts, and when the next may be. */
  lists: number;
  nextListMs: number;
  /** Listings of the children themselves, and when the next may be. */
  childLooks: number;
  nextChildrenMs: number;
}

export const noStartLooks: StartLooks = {
  differsMs: undefined,
  lists: 0,
  nextListMs: 0,
  childLooks: 0,
  nextChildrenMs: 0,
};

export interface StartFacts {
  /** Children of the array. */
  size: number;
  /** How many of them Batch counts as RUNNING. */
  running: number;
  /** How many are known to run. */
  known: number;
  /** Whether this look has listed the results already. */
  listed: boolean;
  /** Whether it found a start. */
  found: boolean;
}

/** `list`: the results. `children`: those that Batch says are RUNNING. */
export type StartLook = 'none' | 'list' | 'children';

/** A task that is shorter than this is not worth a request to be seen running. */
const WORTH_MS = 1000;
/** Start listings of a submission: these, and one for a hundred children. */
const LISTS = 10;
const CHILDREN_PER_LIST = 100;
const LIST_PAUSE_MS = 1000;
const LIST_GROWTH = 1.2;
const LONGEST_LIST_PAUSE_MS = 60_000;
/** Children without a start in S3 are asked of Batch after this long, and then ever less often. */
const CHILDREN_AFTER_MS = 20_000;
const LONGEST_CHILDREN_PAUSE_MS = 600_000;

/**
 * A count that is off for a moment is the normal case: Batch knows of a start before S3 does. So
 * Batch is asked for the children only after nothing was found for long: containers of an older
 * stager write no starts, and a host that was lost takes back what its container said.
 */
export function decideStartLook(
  { size, running, known, listed, found }: StartFacts,
  looks: StartLooks,
  nowMs: number,
): { look: StartLook; looks: StartLooks } {
  if (running === known) return { look: 'none', looks: { ...looks, differsMs: undefined } };
  const differsMs = found ? nowMs : (looks.differsMs ?? nowMs);
  const waitedMs = nowMs - differsMs;
  const next = { ...looks, differsMs };
  if (waitedMs >= CHILDREN_AFTER_MS && nowMs >= looks.nextChildrenMs)
    return { look: 'children', looks: afterChildren(next, nowMs) };
  const mayList =
    !listed &&
    running > known &&
    waitedMs >= WORTH_MS &&
    nowMs >= looks.nextListMs &&
    looks.lists < LISTS + size / CHILDREN_PER_LIST;
  return mayList ? { look: 'list', looks: afterList(next, nowMs) } : { look: 'none', looks: next };
}

function afterList(looks: StartLooks, nowMs: number): StartLooks {
  const pauseMs = Math.min(LONGEST_LIST_PAUSE_MS, LIST_PAUSE_MS * LIST_GROWTH ** looks.lists);
  return { ...looks, lists: looks.lists + 1, nextListMs: nowMs + pauseMs };
}

function afterChildren(looks: StartLooks, nowMs: number): StartLooks {
  const pauseMs = Math.min(LONGEST_CHILDREN_PAUSE_MS, CHILDREN_AFTER_MS * 2 ** looks.childLooks);
  return { ...looks, childLooks: looks.childLooks + 1, nextChildrenMs: nowMs + pauseMs };
}
