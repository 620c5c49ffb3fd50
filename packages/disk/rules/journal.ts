/** What the daemon must still know after a crash, as a value. host/journal-file.ts keeps it. */

interface Step {
  /** Drawn once; CreateVolume with the same token makes the same volume. */
  token: string;
  sizeGiB: number;
  /** The name for EC2, as `/dev/xvdba`. Linux does not use it. */
  deviceName: string;
  startedMs: number;
  /** Of this state. */
  sinceMs: number;
  /** Of the request of this state. */
  tries: number;
  nextTryMs: number;
  /** Requests of this growth that EC2 decided. */
  calls: number;
  /** A request may have had its effect although no answer came. */
  isDoubtful: boolean;
}

/** One growth at a time. Each state is written to disk before the effect that leaves it. */
export type Growth = Step &
  (
    | { at: 'planned' }
    | { at: 'created' | 'attached' | 'protected'; volumeId: string }
    | { at: 'seen' | 'added'; volumeId: string; device: string }
  );

/** A volume that is no longer wanted. */
export interface Discard {
  volumeId: string;
  /** `detached`: may be deleted. */
  at: 'attached' | 'detached';
  tries: number;
  nextTryMs: number;
}

export interface Journal {
  version: 1;
  instanceId: string;
  growth: Growth | null;
  /** Volumes that are part of the disk. */
  volumes: { volumeId: string; sizeGiB: number; deviceName: string }[];
  discards: Discard[];
  /** Names under which a volume did not appear. */
  badNames: string[];
  /** What growing took, from the plan to the end: the trigger goes by it. */
  slowestGrowthMs: number;
  /** Growths that failed one after the other. */
  failures: number;
  pauseUntilMs: number;
  /** EC2 attached no more than so many volumes of ours to this instance; asked again after a while. */
  attachLimit: { volumes: number; untilMs: number } | null;
  /** EC2 refused this action: the disk stays as it is until the daemon starts again. */
  refused: { action: string; sentence: string } | null;
  brake: { sinceMs: number; belowBytes: number } | null;
  /** The brake was held for as long as it may be; it is not used again until a growth ends, or for a while. */
  brakeSpentMs: number | null;
  counts: { growths: number; calls: number; brakeMs: number; giveUps: number };
}

/** A growth takes about this long on AWS; the first one has no other to go by. */
const FIRST_GROWTH_MS = 60_000;

export const emptyJournal = (instanceId: string): Journal => ({
  version: 1,
  instanceId,
  growth: null,
  volumes: [],
  discards: [],
  badNames: [],
  slowestGrowthMs: FIRST_GROWTH_MS,
  failures: 0,
  pauseUntilMs: 0,
  attachLimit: null,
  refused: null,
  brake: null,
  brakeSpentMs: null,
  counts: { growths: 0, calls: 0, brakeMs: 0, giveUps: 0 },
});

/**
 * The journal in this text. `undefined` where it is not one, or that of another instance: an image that
 * was made of a running host holds the journal of that host.
 */
export function parseJournal(text: string, instanceId: string): Journal | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJournal(value) || value.instanceId !== instanceId) return undefined;
  return { ...value, attachLimit: value.attachLimit ?? null };
}

/** The daemon alone writes it, and whole: what is checked is that it is ours and of this version. */
function isJournal(value: unknown): value is Journal {
  if (typeof value !== 'object' || value === null) return false;
  const journal = value as Partial<Journal>;
  return (
    journal.version === 1 &&
    typeof journal.instanceId === 'string' &&
    Array.isArray(journal.volumes) &&
    Array.isArray(journal.discards) &&
    Array.isArray(journal.badNames) &&
    typeof journal.slowestGrowthMs === 'number' &&
    typeof journal.counts === 'object'
  );
}

/** Every volume that the journal names. */
export const knownVolumes = ({ growth, volumes, discards }: Journal): Set<string> =>
  new Set([
    ...(growth !== null && growth.at !== 'planned' ? [growth.volumeId] : []),
    ...volumes.map(({ volumeId }) => volumeId),
    ...discards.map(({ volumeId }) => volumeId),
  ]);

const NAMES = ['b', 'c'].flatMap((first) =>
  Array.from({ length: 26 }, (_, at) => `/dev/xvd${first}${String.fromCodePoint(97 + at)}`),
);

/** The launch template has the last one. */
const TEMPLATE_NAME = '/dev/xvdcz';

/** A name that neither a volume of ours has, nor failed before; where all failed, the first free one. */
export function freeName({ volumes, badNames, growth }: Journal): string {
  const used = new Set([
    TEMPLATE_NAME,
    ...volumes.map(({ deviceName }) => deviceName),
    ...(growth ? [growth.deviceName] : []),
  ]);
  const free = NAMES.filter((name) => !used.has(name));
  return free.find((name) => !badNames.includes(name)) ?? free[0] ?? '/dev/xvdba';
}
