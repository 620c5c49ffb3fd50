/** Whether the disk must grow, and by how much. */
import { GIB, type Policy } from './policy.ts';
import type { Facts } from './facts.ts';
import type { Journal } from './journal.ts';

/** A growth must end before the disk is full, also if it takes thrice as long as the slowest one. */
const GROWTHS_AHEAD = 3;
const FULL_SHARE = 0.85;
/** A growth lasts for this long at the rate of the last two minutes. */
const LAST_SECONDS = 600;
/** Every third growth doubles the least size: 20 volumes then reach 16 TiB. */
const GROWTHS_PER_DOUBLING = 3;

/** Of these, for a limit to be over: a rate that breathes would announce it again and again. */
const ROOM_AGAIN = { usedShare: 0.8, secondsFactor: 2 };

const secondsToFull = ({ fileSystem, bytesPerSecond }: Facts): number =>
  bytesPerSecond <= 0 ? Infinity : fileSystem.freeBytes / bytesPerSecond;

const usedShare = ({ fileSystem: { sizeBytes, freeBytes } }: Facts): number =>
  (sizeBytes - freeBytes) / sizeBytes;

/** Why the disk must grow; `undefined` where it need not. */
export function whyGrow(facts: Facts, journal: Journal): string | undefined {
  const used = usedShare(facts);
  if (used >= FULL_SHARE) return `${Math.floor(used * 100)} % is used`;
  const seconds = secondsToFull(facts);
  return seconds * 1000 < GROWTHS_AHEAD * journal.slowestGrowthMs
    ? `full in ${Math.floor(seconds)} s at ${Math.ceil(facts.bytesPerSecond / 1_048_576)} MiB/s`
    : undefined;
}

/** Whether a limit that was announced no longer matters. */
export const hasRoomAgain = (facts: Facts, { slowestGrowthMs }: Journal): boolean =>
  usedShare(facts) < ROOM_AGAIN.usedShare &&
  secondsToFull(facts) * 1000 >= ROOM_AGAIN.secondsFactor * GROWTHS_AHEAD * slowestGrowthMs;

export type Size = { sizeGiB: number } | { limit: string };

/** How large the next volume is, or which limit forbids one. */
export function nextSize(facts: Facts, journal: Journal, policy: Policy, nowMs: number): Size {
  const { sizeBytes, freeBytes } = facts.fileSystem;
  const left = policy.maxGiB - Math.ceil(sizeBytes / GIB);
  if (left < 1) return { limit: `The disk has the ${policy.maxGiB} GiB that DiskMaxGiB allows.` };
  const count = journal.volumes.length;
  if (count >= policy.mostVolumes)
    return { limit: `The host has ${count} volumes of ours, as many as it may have.` };
  const { attachLimit } = journal;
  if (attachLimit !== null && nowMs < attachLimit.untilMs && count >= attachLimit.volumes)
    return {
      limit: `EC2 attaches no more volumes to this instance (AttachmentLimitExceeded); ${count} are ours.`,
    };
  const atLeast = policy.leastGrowthGiB * 2 ** Math.floor(count / GROWTHS_PER_DOUBLING);
  const byRate = (facts.lastingBytesPerSecond * LAST_SECONDS) / GIB;
  const toBelowFull = ((sizeBytes - freeBytes) / FULL_SHARE - sizeBytes) / GIB;
  const MOST_OF_ONE = 16_384;
  const wanted = Math.ceil(Math.max(atLeast, byRate, toBelowFull));
  return { sizeGiB: Math.min(wanted, left, MOST_OF_ONE) };
}

/** Less than this is free: the tasks must not write until the disk has grown. */
export const brakeBelowBytes = (facts: Facts, policy: Policy): number =>
  Math.max(policy.brakeFloorBytes, facts.bytesPerSecond * 5);
