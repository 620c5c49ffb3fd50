/** Every decision about a disk, as a pure function from facts, journal, and policy to one action. */
import type { Action } from './action.ts';
import { decideDiscards, decideGrowth } from './decide-growth.ts';
import { isBlankVolume, serialOf, type Facts, type SeenVolume } from './facts.ts';
import { freeName, knownVolumes, type Journal } from './journal.ts';
import { brakeBelowBytes, hasRoomAgain, nextSize, whyGrow } from './need.ts';
import { isElastic, type Policy } from './policy.ts';
import { HOST_TAG, STACK_TAG, TOKEN_TAG } from './tags.ts';

const BRAKE_AGAIN_MS = 600_000;
const LOOK_MS = 2_000;
const LOOK_WHILE_GROWING_MS = 500;
/** A volume that somebody just creates is `available` for seconds; a daemon that is away, for minutes. */
const UNUSED_MS = 3_600_000;
/** The agent and the logs need this much of the root volume. */
const ROOT_FLOOR_BYTES = 536_870_912;

export function decideDisk(facts: Facts, journal: Journal, policy: Policy, nowMs: number): Action {
  return (
    decideHost(facts) ??
    decideBrake(facts, journal, policy, nowMs) ??
    decideWarnings(facts) ??
    decideInspection(facts) ??
    (isElastic(policy) ? decideElastic(facts, journal, policy, nowMs) : undefined) ?? {
      do: 'wait',
      waitMs: isMoving(facts, journal) ? LOOK_WHILE_GROWING_MS : LOOK_MS,
    }
  );
}

const isMoving = (facts: Facts, { growth, brake }: Journal): boolean =>
  growth !== null || brake !== null || facts.busy.block || facts.busy.ec2;

/** Data of running tasks may be lost: they must end as a loss of the host, which the fleet retries. */
function decideHost({ ioError, warned }: Facts): Action | undefined {
  // It is ending: its tasks stay frozen, so that none reports a success with damaged data.
  if (warned.has('io-error')) return { do: 'wait', waitMs: LOOK_MS };
  return ioError === null
    ? undefined
    : { do: 'end-host', reason: `The disk of the tasks has an I/O error: ${ioError}` };
}

function decideWarnings({
  fileSystem,
  rootFreeBytes,
  hasBallast,
  warned,
}: Facts): Action | undefined {
  const { inodes, freeInodes } = fileSystem;
  if (hasBallast && rootFreeBytes < ROOT_FLOOR_BYTES) return { do: 'release-ballast' };
  const share = inodes === 0 ? 1 : freeInodes / inodes;
  if (share < 0.01 && !warned.has('inodes'))
    return {
      do: 'warn',
      of: 'inodes',
      sentence: `Only ${freeInodes} of ${inodes} inodes are free: tasks write many small files.`,
    };
  return share > 0.02 && warned.has('inodes') ? { do: 'recovered', of: 'inodes' } : undefined;
}

/** Devices came or went, or were changed: what they hold is looked up before anything is decided by it. */
const decideInspection = ({ isInspected, busy }: Facts): Action | undefined =>
  isInspected || busy.block ? undefined : { do: 'inspect' };

function decideBrake(
  facts: Facts,
  journal: Journal,
  policy: Policy,
  nowMs: number,
): Action | undefined {
  const { brake } = journal;
  const belowBytes = brake?.belowBytes ?? brakeBelowBytes(facts, policy);
  const isShort = facts.fileSystem.freeBytes < belowBytes;
  if (brake === null) {
    if (facts.tasks === 'frozen') return { do: 'release', reason: 'not ours' };
    if (!isShort || !waitsForRoom(facts, journal, policy)) return undefined;
    return isSpent(journal, facts, nowMs) ? undefined : pullBrake(facts, belowBytes);
  }
  if (!isShort) return { do: 'release', reason: 'grown' };
  if (nowMs - brake.sinceMs >= policy.brakeMs) return { do: 'release', reason: 'spent' };
  // A crash between the journal and the cgroup.
  return facts.tasks === 'running' ? { do: 'brake', belowBytes } : undefined;
}

/** It was held for as long as it may be. A disk that stays full at its limit holds nobody up again. */
const isSpent = ({ brakeSpentMs }: Journal, { bytesPerSecond }: Facts, nowMs: number): boolean =>
  brakeSpentMs !== null && (nowMs - brakeSpentMs < BRAKE_AGAIN_MS || bytesPerSecond === 0);

function pullBrake({ tasks, warned }: Facts, belowBytes: number): Action | undefined {
  if (tasks === 'running') return { do: 'brake', belowBytes };
  return warned.has('no-brake')
    ? undefined
    : {
        do: 'warn',
        of: 'no-brake',
        sentence:
          'The cgroup ecstasks.slice is missing, so tasks cannot be held while the disk grows.',
      };
}

/** A growth is under way, or would be, if a limit or a pause did not keep it. */
const waitsForRoom = (facts: Facts, journal: Journal, policy: Policy): boolean =>
  isElastic(policy) &&
  journal.refused === null &&
  (journal.growth !== null || whyGrow(facts, journal) !== undefined);

function decideElastic(
  facts: Facts,
  journal: Journal,
  policy: Policy,
  nowMs: number,
): Action | undefined {
  const step = journal.growth && decideGrowth(journal.growth, facts, nowMs);
  if (step) return step;
  return (
    decideWhole(facts, journal, nowMs) ??
    decidePlan(facts, journal, policy, nowMs) ??
    decideDiscards(journal, facts, nowMs) ??
    decideOwn(facts, journal) ??
    decideUnnamed(facts, journal, nowMs) ??
    decideUnused(facts, journal, policy, nowMs)
  );
}

/** A journal was lost after its volume was added. EC2 need not name that volume before it is used. */
function decideWhole(
  { isFileSystemWhole, isInspected, busy, wholeAgainMs }: Facts,
  { growth }: Journal,
  nowMs: number,
): Action | undefined {
  const isDue = growth === null && isInspected && !busy.block && nowMs >= wholeAgainMs;
  return isDue && !isFileSystemWhole ? { do: 'grow' } : undefined;
}

function decidePlan(
  facts: Facts,
  journal: Journal,
  policy: Policy,
  nowMs: number,
): Action | undefined {
  if (journal.growth !== null || journal.refused !== null || facts.busy.ec2) return undefined;
  const reason = whyGrow(facts, journal);
  if (reason === undefined)
    return facts.warned.has('limit') && hasRoomAgain(facts, journal)
      ? { do: 'recovered', of: 'limit' }
      : undefined;
  // A volume that is there already is better than one more.
  const adopted = decideOwn({ ...facts, busy: { ...facts.busy, ec2: true } }, journal);
  if (adopted?.do === 'adopt') return adopted;
  const size = nextSize(facts, journal, policy, nowMs);
  if ('sizeGiB' in size)
    return nowMs < journal.pauseUntilMs
      ? undefined
      : { do: 'plan', sizeGiB: size.sizeGiB, deviceName: freeName(journal), reason };
  return facts.warned.has('limit')
    ? undefined
    : { do: 'warn', of: 'limit', sentence: `${size.limit} It cannot grow further (${reason}).` };
}

/** Volumes of this host that the journal does not know: it was lost, or its last write was. */
function decideOwn(facts: Facts, journal: Journal): Action | undefined {
  if (facts.own === null)
    return facts.busy.ec2 || journal.refused ? undefined : { do: 'describe', which: 'own' };
  const unknown = unknownOf(facts.own, facts, journal);
  const attached = unknown.find((volume) => volume.attachment?.instanceId === facts.instanceId);
  if (attached !== undefined && journal.growth === null) return { do: 'adopt', volume: attached };
  const idle = unknown.find((volume) => isIdle(volume, facts));
  return idle && { do: 'discard', volume: idle };
}

/** An empty volume is attached, and neither the journal nor EC2 named it: a description may be stale. */
function decideUnnamed(facts: Facts, journal: Journal, nowMs: number): Action | undefined {
  if (facts.own === null || facts.busy.ec2 || journal.refused || nowMs < facts.ownAgainMs)
    return undefined;
  const known = new Set([...knownVolumes(journal)].map(serialOf));
  const isUnnamed = facts.devices.some(
    (device) => isBlankVolume(device) && !known.has(device.serial),
  );
  return isUnnamed ? { do: 'describe', which: 'own' } : undefined;
}

const unknownOf = (
  volumes: readonly SeenVolume[],
  { instanceId }: Facts,
  journal: Journal,
): SeenVolume[] => {
  const known = knownVolumes(journal);
  return volumes.filter(
    (volume) =>
      volume.tags[HOST_TAG] === instanceId &&
      !known.has(volume.volumeId) &&
      // CreateVolume with the same token returns it.
      (journal.growth === null || volume.tags[TOKEN_TAG] !== journal.growth.token),
  );
};

/** A description may be older than the attachment, so the devices of the host are asked as well. */
const isIdle = ({ state, attachment, volumeId }: SeenVolume, { devices }: Facts): boolean =>
  state === 'available' &&
  attachment === null &&
  !devices.some(({ serial }) => serial === serialOf(volumeId));

/** EC2's own filters are not believed: a volume of somebody else is not deleted, whatever it answers. */
function decideUnused(
  facts: Facts,
  journal: Journal,
  policy: Policy,
  nowMs: number,
): Action | undefined {
  if (journal.refused !== null || facts.busy.ec2) return undefined;
  if (facts.unused === null)
    return nowMs < facts.sweepAtMs ? undefined : { do: 'describe', which: 'unused' };
  const known = knownVolumes(journal);
  // One that this host was just making when it lost its journal.
  const own = unknownOf(facts.unused, facts, journal);
  const volume = facts.unused.find(
    (one) =>
      (own.includes(one) || isUnused(one, policy.stack, nowMs)) &&
      one.zone === facts.zone &&
      !known.has(one.volumeId) &&
      isIdle(one, facts),
  );
  return volume && { do: 'discard', volume };
}

export const isUnused = (volume: SeenVolume, stack: string, nowMs: number): boolean =>
  volume.state === 'available' &&
  volume.attachment === null &&
  volume.tags[STACK_TAG] === stack &&
  nowMs - volume.createdMs >= UNUSED_MS;
