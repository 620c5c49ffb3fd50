/**
 * The part of EC2 that knows volumes, with the faults that it has had (docs/disks.md names the reports).
 * It keeps time by `nowMs`, so that it can be played in virtual time and, behind HTTP, in real time.
 */
import type { SeenVolume } from '../../rules/facts.ts';
import type { Ec2Client, NewVolume, VolumeQuery } from '../../ec2/requests.ts';
import type { Dice } from './dice.ts';

export interface Ec2Faults {
  throttled: number;
  /** The request has its effect, and no answer comes. */
  lostReplies: number;
  /** No effect, no answer. */
  lostRequests: number;
  /** 503, in half of the cases after the effect. */
  serverErrors: number;
  /** A describe that shows nothing, or the state of before, or also volumes of others. */
  badDescribes: number;
  /** Of an attachment: the device never appears. */
  neverAppears: number;
  /** Most ms until a device appears. */
  appearsWithinMs: number;
  /** Most volumes of the account, with those of others. */
  mostVolumes: number;
  mostAttachments: number;
  /** IAM actions that are refused. */
  denied: readonly string[];
  /** EC2 answers nothing in this time. */
  away: { fromMs: number; forMs: number };
  /** CreateVolume has no capacity in this time. */
  full: { fromMs: number; forMs: number };
  /** Names that somebody else has. */
  takenNames: readonly string[];
}

export const noFaults: Ec2Faults = {
  throttled: 0,
  lostReplies: 0,
  lostRequests: 0,
  serverErrors: 0,
  badDescribes: 0,
  neverAppears: 0,
  appearsWithinMs: 2_000,
  mostVolumes: 1000,
  mostAttachments: 26,
  denied: [],
  away: { fromMs: 0, forMs: 0 },
  full: { fromMs: 0, forMs: 0 },
  takenNames: [],
};

export interface PlayedVolume {
  volumeId: string;
  token: string;
  sizeGiB: number;
  zone: string;
  createdMs: number;
  availableAtMs: number;
  tags: Record<string, string>;
  attachment: {
    instanceId: string;
    deviceName: string;
    /** Null: never. */
    appearsAtMs: number | null;
    isProtected: boolean;
    sinceMs: number;
  } | null;
  detachedAtMs: number;
  isDeleted: boolean;
  /** Not made by a daemon. */
  isForeign: boolean;
}

export interface Asked {
  atMs: number;
  action: string;
  volumeId: string;
  /** Of the growth, where it is known. */
  token: string;
  /** Answered with a fault, or with `not yet`. */
  isExcused: boolean;
}

export class PlayedError extends Error {
  readonly status: number;
  constructor(name: string, status: number, message = 'played') {
    super(message);
    this.name = name;
    this.status = status;
  }
}

const NO_ANSWER = (): PlayedError => new PlayedError('TimeoutError', 0);
const DETACHING_MS = 3_000;
const within = (nowMs: number, { fromMs, forMs }: { fromMs: number; forMs: number }): boolean =>
  nowMs >= fromMs && nowMs < fromMs + forMs;

export class PlayedEc2 {
  readonly volumes = new Map<string, PlayedVolume>();
  readonly asked: Asked[] = [];
  faults: Ec2Faults;
  readonly #dice: Dice;
  readonly #nowMs: () => number;
  /** A volume's data were needed, or it was not ours: what no daemon may do. */
  readonly onViolation: (sentence: string) => void;
  /** Whether a host uses the volume for data. */
  isInUse: (volumeId: string) => boolean = () => false;
  #next = 1;

  constructor(
    nowMs: () => number,
    dice: Dice,
    faults: Ec2Faults,
    onViolation: (sentence: string) => void,
  ) {
    this.#nowMs = nowMs;
    this.#dice = dice;
    this.faults = faults;
    this.onViolation = onViolation;
  }

  /** As somebody else makes one. */
  addForeign(more: Partial<PlayedVolume>): PlayedVolume {
    const volume = this.#volume({ tags: {}, isForeign: true, ...more });
    this.volumes.set(volume.volumeId, volume);
    return volume;
  }

  /** The client of one host. Each request fails or succeeds at once; who plays time delays it. */
  client(): Ec2Client {
    return {
      createVolume: async (volume) =>
        this.#answer('ec2:CreateVolume', '', volume.token, () => this.#create(volume)),
      attachVolume: async (volumeId, instanceId, deviceName) =>
        this.#on('ec2:AttachVolume', volumeId, (volume) =>
          this.#attach(volume, instanceId, deviceName),
        ),
      protect: async (instanceId, deviceName) => this.#protect(instanceId, deviceName),
      detachVolume: async (volumeId) =>
        this.#on('ec2:DetachVolume', volumeId, (volume) => this.#detach(volume)),
      deleteVolume: async (volumeId) =>
        this.#on('ec2:DeleteVolume', volumeId, (volume) => this.#delete(volume)),
      describeVolumes: async (query) =>
        this.#answer('ec2:DescribeVolumes', query.ids?.[0] ?? '', '', () => this.#describe(query)),
    };
  }

  stateOf({ isDeleted, attachment, availableAtMs, detachedAtMs }: PlayedVolume): string {
    const nowMs = this.#nowMs();
    if (isDeleted) return 'deleted';
    if (nowMs < availableAtMs) return 'creating';
    return attachment !== null || nowMs < detachedAtMs ? 'in-use' : 'available';
  }

  /** Volumes with DeleteOnTermination go with the instance, the others stay. */
  terminate(instanceId: string): void {
    for (const volume of this.volumes.values()) {
      if (volume.attachment?.instanceId !== instanceId) continue;
      volume.isDeleted = volume.attachment.isProtected;
      volume.attachment = null;
    }
  }

  #volume(more: Partial<PlayedVolume>): PlayedVolume {
    const nowMs = this.#nowMs();
    const number = this.#next++;
    return {
      volumeId: `vol-${number.toString(16).padStart(17, '0')}`,
      token: '',
      sizeGiB: 100,
      zone: 'eu-west-1a',
      createdMs: nowMs,
      availableAtMs: nowMs,
      tags: {},
      attachment: null,
      detachedAtMs: 0,
      isDeleted: false,
      isForeign: false,
      ...more,
    };
  }

  #answer<T>(action: string, volumeId: string, token: string, effect: () => T): T {
    const entry: Asked = { atMs: this.#nowMs(), action, volumeId, token, isExcused: true };
    this.asked.push(entry);
    const dice = this.#dice;
    const { faults } = this;
    if (within(entry.atMs, faults.away) || dice.is(faults.lostRequests)) throw NO_ANSWER();
    if (faults.denied.includes(action))
      throw new PlayedError('UnauthorizedOperation', 403, 'You are not authorized.');
    if (dice.is(faults.throttled)) throw new PlayedError('RequestLimitExceeded', 503);
    if (dice.is(faults.serverErrors)) {
      if (dice.is(0.5)) ignoring(effect);
      throw new PlayedError('InternalError', 500);
    }
    if (dice.is(faults.lostReplies)) {
      ignoring(effect);
      throw NO_ANSWER();
    }
    try {
      const result = effect();
      entry.isExcused = false;
      return result;
    } catch (error) {
      entry.isExcused =
        error instanceof PlayedError && /IncorrectState|VolumeInUse/.test(error.name);
      throw error;
    }
  }

  #on<T>(action: string, volumeId: string, effect: (volume: PlayedVolume) => T): T {
    const volume = this.volumes.get(volumeId);
    return this.#answer(action, volumeId, volume?.token ?? '', () => {
      if (volume === undefined || volume.isDeleted)
        throw new PlayedError('InvalidVolume.NotFound', 400);
      if (volume.isForeign) this.onViolation(`${action} on ${volumeId}, which is somebody else's`);
      return effect(volume);
    });
  }

  #create({ token, sizeGiB, zone, tags }: NewVolume): string {
    const before = [...this.volumes.values()].find((volume) => volume.token === token);
    if (before !== undefined) {
      if (before.isDeleted) throw new PlayedError('IdempotentParameterMismatch', 400);
      return before.volumeId;
    }
    const living = [...this.volumes.values()].filter(({ isDeleted }) => !isDeleted);
    if (living.length >= this.faults.mostVolumes) throw new PlayedError('VolumeLimitExceeded', 400);
    if (within(this.#nowMs(), this.faults.full))
      throw new PlayedError('InsufficientVolumeCapacity', 503);
    const volume = this.#volume({
      token,
      sizeGiB,
      zone,
      availableAtMs: this.#nowMs() + this.#dice.between(200, 3_000),
      tags: Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value])),
    });
    this.volumes.set(volume.volumeId, volume);
    return volume.volumeId;
  }

  #attach(volume: PlayedVolume, instanceId: string, deviceName: string): void {
    const state = this.stateOf(volume);
    if (state === 'in-use')
      throw new PlayedError('VolumeInUse', 400, `${volume.volumeId} is already attached`);
    if (state !== 'available')
      throw new PlayedError('IncorrectState', 400, `${volume.volumeId} is not 'available'.`);
    const attached = [...this.volumes.values()].flatMap(({ attachment }) =>
      attachment?.instanceId === instanceId ? [attachment.deviceName] : [],
    );
    if ([...attached, ...this.faults.takenNames].includes(deviceName))
      throw new PlayedError(
        'InvalidParameterValue',
        400,
        `Invalid value '${deviceName}' for unixDevice. Attachment point ${deviceName} is already in use`,
      );
    if (attached.length >= this.faults.mostAttachments)
      throw new PlayedError('AttachmentLimitExceeded', 400);
    const dice = this.#dice;
    const nowMs = this.#nowMs();
    volume.attachment = {
      instanceId,
      deviceName,
      appearsAtMs: dice.is(this.faults.neverAppears)
        ? null
        : nowMs + dice.between(100, this.faults.appearsWithinMs),
      isProtected: false,
      sinceMs: nowMs,
    };
  }

  #protect(instanceId: string, deviceName: string): void {
    const volume = [...this.volumes.values()].find(
      ({ attachment }) =>
        attachment?.instanceId === instanceId && attachment.deviceName === deviceName,
    );
    const action = 'ec2:ModifyInstanceAttribute';
    this.#answer(action, volume?.volumeId ?? '', volume?.token ?? '', () => {
      if (!volume?.attachment)
        throw new PlayedError(
          'InvalidInstanceAttributeValue',
          400,
          `No device is currently mapped at ${deviceName}`,
        );
      if (volume.isForeign) this.onViolation(`${action} on ${volume.volumeId}`);
      volume.attachment.isProtected = true;
    });
  }

  #detach(volume: PlayedVolume): void {
    if (volume.attachment === null)
      throw this.stateOf(volume) === 'in-use'
        ? new PlayedError('IncorrectState', 400, 'detaching')
        : new PlayedError('InvalidAttachment.NotFound', 400);
    if (this.isInUse(volume.volumeId))
      this.onViolation(`${volume.volumeId} was detached although it holds data`);
    volume.attachment = null;
    volume.detachedAtMs = this.#nowMs() + this.#dice.between(100, DETACHING_MS);
  }

  #delete(volume: PlayedVolume): void {
    if (this.stateOf(volume) !== 'available') throw new PlayedError('VolumeInUse', 400);
    volume.isDeleted = true;
  }

  #describe({ ids, tags = {}, state, zone }: VolumeQuery): SeenVolume[] {
    const bad = this.#dice.is(this.faults.badDescribes) ? this.#dice.roll() : 1;
    if (bad < 0.3) return [];
    return [...this.volumes.values()].flatMap((volume) => {
      const isStale = bad < 0.6;
      const seen = isStale
        ? { ...this.#seen(volume), state: 'available', attachment: null }
        : this.#seen(volume);
      if (bad >= 0.6 && bad < 1) return [seen];
      const isMatch =
        !volume.isDeleted &&
        (ids === undefined || ids.includes(volume.volumeId)) &&
        Object.entries(tags).every(([key, value]) => volume.tags[key] === value) &&
        (state === undefined || seen.state === state) &&
        (zone === undefined || volume.zone === zone);
      return isMatch ? [seen] : [];
    });
  }

  #seen(volume: PlayedVolume): SeenVolume {
    const { volumeId, sizeGiB, zone, createdMs, tags, attachment } = volume;
    return {
      volumeId,
      sizeGiB,
      zone,
      createdMs,
      tags,
      state: this.stateOf(volume),
      attachment: attachment && {
        instanceId: attachment.instanceId,
        deviceName: attachment.deviceName,
        protected: attachment.isProtected,
      },
    };
  }
}

/** The effect happens, and its answer is lost. */
function ignoring(effect: () => unknown): void {
  try {
    effect();
  } catch (error) {
    if (!(error instanceof PlayedError)) throw error;
  }
}
