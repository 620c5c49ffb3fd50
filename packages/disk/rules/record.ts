/** The journal after an action, as a pure function. It is on disk before the next action is decided. */
import type {
  BlockAction,
  BlockOutcome,
  Ec2Action,
  Ec2Outcome,
  Ec2Refusal,
  QuickAction,
} from './action.ts';
import { MOST_TRIES } from './decide-growth.ts';
import { freeName, type Discard, type Growth, type Journal } from './journal.ts';

/** A new volume is `creating` for about this long. */
const CREATING_MS = 2_000;
const DETACHING_MS = 5_000;
const NOT_YET_MS = 1_000;
const LONGEST_BACKOFF_MS = 30_000;
const LONGEST_PAUSE_MS = 300_000;
/** AWS has no more room, or the account no more right: asking again soon would not help. */
const LIMIT_PAUSE_MS = 300_000;
/** What an instance takes depends on its type, and on what else is attached to it. */
const ATTACH_AGAIN_MS = 3_600_000;
const DISCARD_AGAIN_MS = 600_000;
const BLOCK_AGAIN_MS = 2_000;

/** Beyond these, another name would leave too few calls to take the volume back. */
const RENAME_CALLS = 2;

/** What the effects draw: pure functions have no clock and no dice. */
export interface Draw {
  nowMs: number;
  /** From 0 to 1. */
  chance: number;
  /** A new one for a new growth. */
  token: string;
}

/** Full jitter: hosts that were throttled together do not come back together. */
const backoffMs = (tries: number, { chance }: Draw): number =>
  chance * Math.min(LONGEST_BACKOFF_MS, 1000 * 2 ** tries);

const pauseMs = (failures: number): number =>
  failures <= 1 ? 0 : Math.min(LONGEST_PAUSE_MS, 15_000 * 2 ** (failures - 2));

/** What a new daemon makes of the journal of the one before: each request may have had its effect. */
export function resume(journal: Journal, nowMs: number): Journal {
  const growth = journal.growth && {
    ...journal.growth,
    // A device that does not appear is waited for once, whatever becomes of daemons.
    sinceMs: journal.growth.at === 'protected' ? journal.growth.sinceMs : nowMs,
    tries: 0,
    nextTryMs: nowMs,
    isDoubtful: true,
  };
  // Permissions may have been corrected meanwhile.
  return {
    ...journal,
    growth,
    attachLimit: null,
    refused: null,
    pauseUntilMs: Math.min(journal.pauseUntilMs, nowMs),
  };
}

type QuickOf<D extends QuickAction['do']> = Extract<QuickAction, { do: D }>;

/** Actions that are not named here leave the journal as it is. */
export function recordQuick(journal: Journal, action: QuickAction, draw: Draw): Journal {
  const { growth } = journal;
  switch (action.do) {
    case 'plan':
      return { ...journal, growth: planned(action, draw) };
    case 'adopt':
      return { ...journal, growth: adopted(action, draw) };
    case 'see':
    case 'added':
      return growth === null ? journal : { ...journal, growth: usable(growth, action, draw) };
    case 'grown':
      return grown(journal, draw);
    case 'abandon':
      return abandoned(journal, action, draw);
    case 'pause':
      return paused(journal, draw);
    case 'drop':
      return { ...journal, discards: without(journal, action.volumeId) };
    case 'discard':
      return {
        ...journal,
        discards: [
          ...journal.discards,
          { volumeId: action.volume.volumeId, at: 'detached', tries: 0, nextTryMs: draw.nowMs },
        ],
      };
    default:
      return recordBrake(journal, action, draw);
  }
}

function usable(growth: Growth, action: QuickOf<'see' | 'added'>, draw: Draw): Growth {
  if (action.do === 'added')
    return growth.at === 'seen' ? moved({ ...growth, at: 'added' }, draw) : growth;
  return growth.at === 'planned'
    ? growth
    : moved({ ...growth, at: 'seen', device: action.device }, draw);
}

function recordBrake(journal: Journal, action: QuickAction, { nowMs }: Draw): Journal {
  if (action.do === 'brake')
    return {
      ...journal,
      brake: journal.brake ?? { sinceMs: nowMs, belowBytes: action.belowBytes },
    };
  if (action.do === 'warn' && action.of === 'limit')
    return { ...journal, counts: failed(journal).counts };
  if (action.do !== 'release') return journal;
  const heldMs = journal.brake === null ? 0 : nowMs - journal.brake.sinceMs;
  return {
    ...journal,
    brake: null,
    brakeSpentMs: action.reason === 'spent' ? nowMs : journal.brakeSpentMs,
    counts: { ...journal.counts, brakeMs: journal.counts.brakeMs + heldMs },
  };
}

const planned = ({ sizeGiB, deviceName }: QuickOf<'plan'>, { nowMs, token }: Draw): Growth => ({
  at: 'planned',
  token,
  sizeGiB,
  deviceName,
  startedMs: nowMs,
  sinceMs: nowMs,
  tries: 0,
  nextTryMs: nowMs,
  calls: 0,
  isDoubtful: false,
});

/** It may be at any step behind attach; each of them finds out by itself that it is done. */
const adopted = ({ volume }: QuickOf<'adopt'>, { nowMs, token }: Draw): Growth => ({
  at: 'attached',
  volumeId: volume.volumeId,
  token,
  sizeGiB: volume.sizeGiB,
  deviceName: volume.attachment?.deviceName ?? '',
  startedMs: nowMs,
  sinceMs: nowMs,
  tries: 0,
  nextTryMs: nowMs,
  calls: 0,
  isDoubtful: true,
});

const moved = (growth: Growth, { nowMs }: Draw, waitMs = 0): Growth => ({
  ...growth,
  sinceMs: nowMs,
  tries: 0,
  nextTryMs: nowMs + waitMs,
  isDoubtful: false,
});

const without = ({ discards }: Journal, volumeId: string): Discard[] =>
  discards.filter((one) => one.volumeId !== volumeId);

function grown(journal: Journal, { nowMs }: Draw): Journal {
  const { growth, counts, volumes } = journal;
  if (growth?.at !== 'added') return journal;
  const { volumeId, sizeGiB, deviceName } = growth;
  return {
    ...journal,
    growth: null,
    volumes: [...volumes, { volumeId, sizeGiB, deviceName }],
    slowestGrowthMs: Math.max(journal.slowestGrowthMs, nowMs - growth.startedMs),
    failures: 0,
    brakeSpentMs: null,
    counts: { ...counts, growths: counts.growths + 1 },
  };
}

function abandoned(
  journal: Journal,
  { keep }: { keep: boolean },
  draw: Draw,
  waitMs = pauseMs(journal.failures + 1),
): Journal {
  const { growth, badNames, discards } = journal;
  if (growth === null) return journal;
  const wasAttached =
    growth.at !== 'planned' && (growth.at !== 'created' || growth.isDoubtful || growth.tries > 0);
  const discard: Discard[] =
    growth.at === 'planned' || keep
      ? []
      : [
          {
            volumeId: growth.volumeId,
            at: wasAttached ? 'attached' : 'detached',
            tries: 0,
            nextTryMs: draw.nowMs,
          },
        ];
  return {
    ...failed(journal),
    growth: null,
    discards: [...discards, ...discard],
    badNames: wasAttached
      ? [...badNames.filter((name) => name !== growth.deviceName), growth.deviceName]
      : badNames,
    pauseUntilMs: draw.nowMs + waitMs,
  };
}

const failed = (journal: Journal): Journal => ({
  ...journal,
  failures: journal.failures + 1,
  counts: { ...journal.counts, giveUps: journal.counts.giveUps + 1 },
});

/** The growth stays as it is, and has its tries again after the pause. */
function paused(journal: Journal, { nowMs }: Draw): Journal {
  const { growth } = journal;
  if (growth === null) return journal;
  const nextTryMs = nowMs + Math.max(15_000, pauseMs(journal.failures + 1));
  return { ...failed(journal), growth: { ...growth, sinceMs: nextTryMs, tries: 0, nextTryMs } };
}

/** Before the request is sent. */
export const recordSent = (journal: Journal): Journal => ({
  ...journal,
  counts: { ...journal.counts, calls: journal.counts.calls + 1 },
});

/** What counts for the growth is what EC2 decided: a throttled request costs time, and no call. */
const counted = (growth: Growth, outcome: Ec2Outcome): Growth =>
  outcome.is === 'refused' && (outcome.kind === 'transient' || outcome.kind === 'not-yet')
    ? growth
    : { ...growth, calls: growth.calls + 1 };

export function recordEc2(
  journal: Journal,
  action: Ec2Action,
  outcome: Ec2Outcome,
  draw: Draw,
): Journal {
  switch (action.do) {
    case 'describe':
      return journal;
    case 'detach':
    case 'delete':
      return recordDiscard(journal, action, outcome, draw);
    default:
      return recordStep(journal, outcome, draw);
  }
}

function recordStep(journal: Journal, outcome: Ec2Outcome, draw: Draw): Journal {
  if (journal.growth === null) return journal;
  const growth = counted(journal.growth, outcome);
  return outcome.is === 'refused'
    ? recordRefusal({ ...journal, growth }, growth, outcome, draw)
    : { ...journal, growth: advanced(growth, outcome, draw) };
}

function advanced(growth: Growth, outcome: Ec2Outcome, draw: Draw): Growth {
  if (growth.at === 'planned')
    return outcome.is === 'created'
      ? moved({ ...growth, at: 'created', volumeId: outcome.volumeId }, draw, CREATING_MS)
      : growth;
  if (growth.at === 'created')
    return outcome.is === 'attached'
      ? moved({ ...growth, at: 'attached', deviceName: outcome.deviceName }, draw)
      : growth;
  return growth.at === 'attached' ? moved({ ...growth, at: 'protected' }, draw) : growth;
}

const again = (growth: Growth, waitMs: number, { isDoubtful }: Ec2Refusal, draw: Draw): Growth => ({
  ...growth,
  tries: growth.tries + 1,
  nextTryMs: draw.nowMs + waitMs,
  isDoubtful: growth.isDoubtful || isDoubtful,
});

function recordRefusal(journal: Journal, growth: Growth, refusal: Ec2Refusal, draw: Draw): Journal {
  const retry = (waitMs: number): Journal => ({
    ...journal,
    growth: again(growth, waitMs, refusal, draw),
  });
  switch (refusal.kind) {
    case 'transient':
      return retry(backoffMs(growth.tries, draw));
    case 'not-yet':
    case 'not-attached':
      return retry(NOT_YET_MS * (1 + 2 * draw.chance));
    case 'name-taken':
      return growth.calls <= RENAME_CALLS
        ? renamed(retry(0), growth.deviceName)
        : abandoned(renamed(journal, growth.deviceName), { keep: false }, draw);
    case 'denied':
      return {
        ...end(journal, draw),
        refused: { action: refusal.action, sentence: refusal.sentence },
      };
    case 'gone':
      return abandoned(journal, { keep: true }, draw);
    case 'limit':
      return growth.at === 'created'
        ? { ...end(journal, draw), attachLimit: attachLimitOf(journal, draw) }
        : end(journal, draw);
    default:
      return end(journal, draw);
  }
}

/** Somebody else has a volume under this name. */
function renamed(journal: Journal, badName: string): Journal {
  const next = { ...journal, badNames: [...journal.badNames, badName] };
  return next.growth === null
    ? next
    : { ...next, growth: { ...next.growth, deviceName: freeName(next) } };
}

/** A limit, no capacity, or a request that is wrong: nothing that a retry soon would change. */
function end(journal: Journal, draw: Draw): Journal {
  return abandoned(journal, { keep: false }, draw, LIMIT_PAUSE_MS);
}

const attachLimitOf = ({ volumes }: Journal, { nowMs }: Draw): Journal['attachLimit'] => ({
  volumes: volumes.length,
  untilMs: nowMs + ATTACH_AGAIN_MS,
});

function recordDiscard(
  journal: Journal,
  { do: what, volumeId }: Extract<Ec2Action, { volumeId: string }>,
  outcome: Ec2Outcome,
  draw: Draw,
): Journal {
  const change = (to: Partial<Discard>): Journal => ({
    ...journal,
    discards: journal.discards.map((one) => (one.volumeId === volumeId ? { ...one, ...to } : one)),
  });
  const dropped = { ...journal, discards: without(journal, volumeId) };
  const discard = journal.discards.find((one) => one.volumeId === volumeId);
  if (discard === undefined) return journal;
  if (outcome.is !== 'refused')
    return what === 'delete'
      ? dropped
      : change({ at: 'detached', tries: 0, nextTryMs: draw.nowMs + DETACHING_MS });
  if (outcome.kind === 'gone' || outcome.kind === 'denied') return dropped;
  if (what === 'detach' && outcome.kind === 'not-attached')
    return change({ at: 'detached', tries: 0, nextTryMs: draw.nowMs });
  if (discard.tries + 1 >= MOST_TRIES)
    // It may be attached after all; then it must be detached again.
    return change({ at: 'attached', tries: 0, nextTryMs: draw.nowMs + DISCARD_AGAIN_MS });
  return change({
    tries: discard.tries + 1,
    nextTryMs: draw.nowMs + NOT_YET_MS + backoffMs(discard.tries, draw),
  });
}

export function recordBlock(
  journal: Journal,
  action: BlockAction,
  outcome: BlockOutcome,
  { nowMs }: Draw,
): Journal {
  const { growth } = journal;
  if (growth === null || action.do === 'inspect' || outcome.is === 'done') return journal;
  return {
    ...journal,
    growth: { ...growth, tries: growth.tries + 1, nextTryMs: nowMs + BLOCK_AGAIN_MS },
  };
}
