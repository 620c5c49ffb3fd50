/** One log line per step: a constant event, and fields. docs/disks.md lists them. */
import type { Action, BlockOutcome, Ec2Action, Ec2Outcome } from './action.ts';
import type { Facts } from './facts.ts';
import type { Growth, Journal } from './journal.ts';

export interface DiskEvent {
  event: string;
  level: 'info' | 'warn' | 'error';
  fields: Readonly<Record<string, string | number | boolean>>;
}

const of = (
  event: string,
  fields: DiskEvent['fields'] = {},
  level: DiskEvent['level'] = 'info',
): DiskEvent => ({ event, level, fields });

const WARNINGS = {
  inodes: 'disk-inodes-low',
  'no-brake': 'disk-brake-missing',
  limit: 'disk-limit-reached',
  'io-error': 'disk-io-error',
} as const;

const about = (growth: Growth | null): DiskEvent['fields'] => ({
  ...(growth !== null && { sizeGiB: growth.sizeGiB, deviceName: growth.deviceName }),
  ...(growth !== null && growth.at !== 'planned' && { volumeId: growth.volumeId }),
});

/** Of an action that is done at once; `undefined` where nobody needs a line. */
export function eventOfQuick(
  action: Action,
  { growth, brake }: Journal,
  facts: Facts,
  nowMs: number,
): DiskEvent | undefined {
  switch (action.do) {
    case 'plan':
      return of('disk-growth-planned', {
        sizeGiB: action.sizeGiB,
        deviceName: action.deviceName,
        reason: action.reason,
        freeBytes: facts.fileSystem.freeBytes,
      });
    case 'brake':
      return brake === null
        ? of('disk-brake-on', { freeBytes: facts.fileSystem.freeBytes }, 'warn')
        : undefined;
    case 'release':
      return of('disk-brake-off', {
        reason: action.reason,
        heldMs: brake === null ? 0 : nowMs - brake.sinceMs,
      });
    case 'warn':
      return of(
        WARNINGS[action.of],
        { sentence: action.sentence },
        action.of === 'limit' ? 'error' : 'warn',
      );
    case 'recovered':
      return of('disk-recovered', { from: WARNINGS[action.of] });
    case 'release-ballast':
      return of('disk-ballast-released', { rootFreeBytes: facts.rootFreeBytes }, 'warn');
    case 'end-host':
      return of('disk-io-error', { sentence: action.reason }, 'error');
    default:
      return eventOfVolume(action, growth, facts, nowMs);
  }
}

function eventOfVolume(
  action: Action,
  growth: Growth | null,
  facts: Facts,
  nowMs: number,
): DiskEvent | undefined {
  switch (action.do) {
    case 'adopt':
      return of('disk-volume-adopted', { volumeId: action.volume.volumeId });
    case 'see':
      return of('disk-volume-seen', { ...about(growth), device: action.device });
    case 'added':
      return of('disk-volume-added', about(growth));
    case 'grown':
      return of('disk-grown', {
        ...about(growth),
        tookMs: growth === null ? 0 : nowMs - growth.startedMs,
        calls: growth?.calls ?? 0,
        sizeBytes: facts.fileSystem.sizeBytes,
      });
    case 'abandon':
      return of('disk-growth-abandoned', { ...about(growth), reason: action.reason }, 'error');
    case 'pause':
      return of('disk-growth-paused', { ...about(growth), reason: action.reason }, 'error');
    case 'discard':
      return of('disk-volume-unused', { volumeId: action.volume.volumeId });
    case 'drop':
      return of('disk-volume-kept', { volumeId: action.volumeId });
    default:
      return undefined;
  }
}

export function eventOfEc2(
  action: Ec2Action,
  outcome: Ec2Outcome,
  growth: Growth | null,
): DiskEvent {
  const fields = {
    request: action.do,
    ...('volumeId' in action ? { volumeId: action.volumeId } : about(growth)),
    ...('which' in action && { which: action.which }),
  };
  if (outcome.is !== 'refused')
    return of('disk-ec2-answered', {
      ...fields,
      ...(outcome.is === 'created' && { volumeId: outcome.volumeId }),
      ...(outcome.is === 'described' && { volumes: outcome.volumes.length }),
    });
  return of(
    outcome.kind === 'denied' ? 'disk-ec2-denied' : 'disk-ec2-refused',
    { ...fields, kind: outcome.kind, action: outcome.action, sentence: outcome.sentence },
    outcome.kind === 'transient' || outcome.kind === 'not-yet' ? 'warn' : 'error',
  );
}

/** A file system was grown onto what its group had, without a growth of its own. */
export const WHOLE: DiskEvent = of('disk-file-system-grown');

export const eventOfFailure = (what: string, { is, ...rest }: BlockOutcome): DiskEvent =>
  of('disk-command-failed', { command: what, is, ...rest }, 'error');
