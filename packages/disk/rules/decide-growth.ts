/** The next step of the growth that is under way, and of volumes that are no longer wanted. */
import type { Action } from './action.ts';
import { deviceOf, GROUP, isOurs, type BlockDevice, type Facts } from './facts.ts';
import type { Discard, Growth, Journal } from './journal.ts';

export const MOST_TRIES = 8;
const STEP_MS = 120_000;
/** Attaching takes seconds; what takes longer than this never showed in the reports that we read. */
const APPEAR_MS = 60_000;
/** How often devices are looked for while one is expected. */
const WATCH_MS = 250;

type At<S extends Growth['at']> = Growth & { at: S };

const isSpent = ({ tries, sinceMs }: Growth, nowMs: number): boolean =>
  tries >= MOST_TRIES || nowMs - sinceMs >= STEP_MS;

/** `undefined`: nothing is to be done for it now. */
export function decideGrowth(growth: Growth, facts: Facts, nowMs: number): Action | undefined {
  switch (growth.at) {
    case 'planned':
    case 'created':
    case 'attached':
      return decideRequest(growth, facts, nowMs);
    case 'protected':
      return decideAppearance(growth as At<'protected'>, facts, nowMs);
    case 'seen':
    case 'added':
      return decideUse(growth as At<'seen' | 'added'>, facts, nowMs);
  }
}

const REQUESTS = { planned: 'create', created: 'attach', attached: 'protect' } as const;

function decideRequest(growth: Growth, facts: Facts, nowMs: number): Action | undefined {
  if (facts.busy.ec2 || nowMs < growth.nextTryMs) return undefined;
  const request = REQUESTS[growth.at as keyof typeof REQUESTS];
  if (!isSpent(growth, nowMs)) return { do: request };
  const reason = `EC2 did not ${request} the volume in ${growth.tries} tries`;
  // Whether there is a volume is not known: the same token asks again, later.
  return growth.at === 'planned' && growth.isDoubtful
    ? { do: 'pause', reason }
    : { do: 'abandon', reason, keep: false };
}

function decideAppearance(
  growth: At<'protected'>,
  facts: Facts,
  nowMs: number,
): Action | undefined {
  const device = deviceOf(facts, growth.volumeId);
  if (device === undefined)
    return nowMs - growth.sinceMs < APPEAR_MS
      ? { do: 'wait', waitMs: WATCH_MS }
      : {
          do: 'abandon',
          reason: `${growth.volumeId} did not appear as ${growth.deviceName} in ${APPEAR_MS / 1000} s`,
          keep: false,
        };
  if (!facts.isInspected) return undefined;
  if (isOurs(device.content)) return { do: 'see', device: device.path };
  return { do: 'abandon', reason: foreign(growth.volumeId, device), keep: true };
}

function foreign(volumeId: string, { path, content }: BlockDevice): string {
  const group = content.is === 'physical-volume' ? content.group : '';
  const what = content.is === 'foreign' ? content.signature : `the volume group ${group}`;
  return `${volumeId} (${path}) holds ${what}, which is not ours: it is left as it is`;
}

function decideUse(growth: At<'seen' | 'added'>, facts: Facts, nowMs: number): Action | undefined {
  if (facts.busy.block || !facts.isInspected || nowMs < growth.nextTryMs) return undefined;
  const device = deviceOf(facts, growth.volumeId);
  const { content } = device ?? {};
  const isAdded = content?.is === 'physical-volume' && content.group === GROUP;
  const spent = isSpent(growth, nowMs);
  if (growth.at === 'seen') return isAdded ? { do: 'added' } : decideAdd(growth, device, spent);
  if (facts.isFileSystemWhole) return { do: 'grown' };
  // It is part of the group now, so it cannot be given back: it is tried again, later.
  return spent
    ? { do: 'pause', reason: `The file system could not be grown onto ${growth.volumeId}` }
    : { do: 'grow' };
}

function decideAdd(
  { volumeId, device: path }: At<'seen' | 'added'> & { device: string },
  device: BlockDevice | undefined,
  spent: boolean,
): Action {
  if (device === undefined || spent)
    return {
      do: 'abandon',
      reason: `${volumeId} could not be added to the volume group`,
      keep: false,
    };
  if (!isOurs(device.content))
    return { do: 'abandon', reason: foreign(volumeId, device), keep: true };
  // Its path can be another one after a boot.
  return device.path === path ? { do: 'add', device: path } : { do: 'see', device: device.path };
}

/** One step for the first volume whose time has come. */
export function decideDiscards(
  { discards }: Journal,
  facts: Facts,
  nowMs: number,
): Action | undefined {
  if (facts.busy.ec2) return undefined;
  const due = discards.find(({ nextTryMs }) => nextTryMs <= nowMs);
  return due && decideDiscard(due, facts);
}

function decideDiscard({ volumeId, at }: Discard, facts: Facts): Action {
  const device = deviceOf(facts, volumeId);
  // It came after all, and was used before anybody forgot it: it must stay.
  if (device?.content.is === 'physical-volume' && device.content.group === GROUP)
    return { do: 'drop', volumeId };
  return at === 'attached' ? { do: 'detach', volumeId } : { do: 'delete', volumeId };
}
