/** A host: devices, a volume group with a file system on it, and tasks that write. In virtual time. */
import type { BlockAction } from '../../rules/action.ts';
import { GROUP, serialOf, type BlockDevice, type Content, type Facts } from '../../rules/facts.ts';
import type { Journal } from '../../rules/journal.ts';
import { GIB } from '../../rules/policy.ts';
import { keyOf } from '../../daemon.ts';
import type { BlockResult, Glance } from '../../machine.ts';
import type { Dice } from './dice.ts';
import type { PlayedEc2 } from './played-ec2.ts';

export interface Writer {
  fromMs: number;
  forMs: number;
  bytesPerSecond: number;
}

export interface HostOptions {
  instanceId: string;
  firstGiB: number;
  hasCgroup: boolean;
  writers: readonly Writer[];
  /** A command of LVM or XFS fails with this probability. */
  commandsFail: number;
  /** A disk of the customer, with data. */
  hasForeignDisk: boolean;
}

interface Command {
  endsAtMs: number;
  effect(): void;
}

/** What is on devices, by serial; it stays when the host boots. */
export class PlayedHost {
  readonly options: HostOptions;
  readonly ec2: PlayedEc2;
  readonly #dice: Dice;
  readonly #nowMs: () => number;
  /** By serial. */
  readonly contents = new Map<string, Content>();
  groupBytes: number;
  fileSystemBytes: number;
  usedBytes = 0;
  isFrozen = false;
  /** No task runs while the host starts; the daemon is there before Docker. */
  isDown = false;
  /** Bytes that a task could not write. */
  fullAtMs: number | null = null;
  frozenMs = 0;
  savedJournal: Journal | null = null;
  ended: string | null = null;
  ioError: string | null = null;
  #order = 0;
  readonly #paths = new Map<string, string>();
  #commands: Command[] = [];

  constructor(options: HostOptions, ec2: PlayedEc2, dice: Dice, nowMs: () => number) {
    this.options = options;
    this.ec2 = ec2;
    this.#dice = dice;
    this.#nowMs = nowMs;
    this.groupBytes = options.firstGiB * GIB;
    this.fileSystemBytes = this.groupBytes;
    this.contents.set('first', { is: 'physical-volume', group: GROUP });
    this.contents.set('customer', { is: 'foreign', signature: 'ext4' });
  }

  /** Time passes: tasks write unless they are frozen, and commands end. */
  pass(fromMs: number, toMs: number): void {
    for (const command of this.#commands.filter(({ endsAtMs }) => endsAtMs <= toMs))
      command.effect();
    this.#commands = this.#commands.filter(({ endsAtMs }) => endsAtMs > toMs);
    if (this.isDown) return;
    if (this.isFrozen) {
      this.frozenMs += toMs - fromMs;
      return;
    }
    for (const writer of this.options.writers) {
      const overlapMs =
        Math.min(toMs, writer.fromMs + writer.forMs) - Math.max(fromMs, writer.fromMs);
      if (overlapMs > 0) this.usedBytes += (writer.bytesPerSecond * overlapMs) / 1000;
    }
    if (this.usedBytes > this.fileSystemBytes) {
      this.usedBytes = this.fileSystemBytes;
      this.fullAtMs ??= toMs;
    }
  }

  isInUse(volumeId: string): boolean {
    const content = this.contents.get(serialOf(volumeId));
    return content?.is === 'physical-volume' && content.group === GROUP;
  }

  /** Devices come up in another order; commands that run are lost, or just made it. */
  boot(): void {
    for (const command of this.#commands) if (this.#dice.is(0.5)) command.effect();
    this.#commands = [];
    this.#order = Math.floor(this.#dice.between(0, 60));
    this.#paths.clear();
    this.isFrozen = false;
  }

  glance(withDevices: boolean): Glance {
    const { hasCgroup } = this.options;
    const running: Facts['tasks'] = this.isFrozen ? 'frozen' : 'running';
    return {
      fileSystem: {
        sizeBytes: this.fileSystemBytes,
        freeBytes: this.fileSystemBytes - this.usedBytes,
        inodes: 1_000_000,
        freeInodes: 900_000,
      },
      tasks: hasCgroup ? running : 'missing',
      rootFreeBytes: 10 * GIB,
      hasBallast: true,
      ioError: this.ioError,
      ...(withDevices && { devices: this.#devices() }),
    };
  }

  setFrozen(isFrozen: boolean): void {
    if (this.options.hasCgroup) this.isFrozen = isFrozen;
  }

  run(action: BlockAction, settle: (result: BlockResult) => void): void {
    const fails = action.do !== 'inspect' && this.#dice.is(this.options.commandsFail);
    // A command that fails may have done its work.
    const works = !fails || this.#dice.is(0.3);
    this.#commands.push({
      endsAtMs: this.#nowMs() + this.#dice.between(20, 1_500),
      effect: () => {
        if (works) this.#change(action);
        settle({
          outcome: fails ? { is: 'failed', sentence: 'played' } : { is: 'done' },
          ...(action.do === 'inspect' && { inspection: this.#inspect() }),
        });
      },
    });
  }

  nextEndMs(): number {
    return Math.min(...this.#commands.map(({ endsAtMs }) => endsAtMs));
  }

  #change(action: BlockAction): void {
    if (action.do === 'grow') this.fileSystemBytes = this.groupBytes;
    if (action.do !== 'add') return;
    const device = this.#devices().find(({ path }) => path === action.device);
    if (device === undefined) return;
    const content = this.contents.get(device.serial) ?? { is: 'blank' };
    if (content.is === 'foreign')
      this.ec2.onViolation(`${action.device} was added although it holds ${content.signature}`);
    if (content.is === 'physical-volume' && content.group === GROUP) return;
    if (!this.#isProtected(device.serial))
      this.ec2.onViolation(`${device.serial} was added before it had DeleteOnTermination`);
    this.contents.set(device.serial, { is: 'physical-volume', group: GROUP });
    this.groupBytes += device.sizeBytes;
  }

  #isProtected(serial: string): boolean {
    return [...this.ec2.volumes.values()].some(
      ({ volumeId, attachment }) =>
        serialOf(volumeId) === serial && attachment?.isProtected === true,
    );
  }

  #inspect() {
    return {
      contents: new Map(
        this.#devices().map((device) => [
          keyOf(device),
          this.contents.get(device.serial) ?? ({ is: 'blank' } as const),
        ]),
      ),
      isFileSystemWhole: this.fileSystemBytes === this.groupBytes,
    };
  }

  #devices(): Omit<BlockDevice, 'content'>[] {
    const nowMs = this.#nowMs();
    const attached = [...this.ec2.volumes.values()].flatMap(({ volumeId, sizeGiB, attachment }) =>
      attachment?.instanceId === this.options.instanceId &&
      attachment.appearsAtMs !== null &&
      attachment.appearsAtMs <= nowMs
        ? [{ serial: serialOf(volumeId), sizeBytes: sizeGiB * GIB }]
        : [],
    );
    const all = [
      { serial: 'first', sizeBytes: this.options.firstGiB * GIB },
      ...(this.options.hasForeignDisk ? [{ serial: 'customer', sizeBytes: 50 * GIB }] : []),
      ...attached,
    ];
    return all.map((device) => ({ path: this.#pathOf(device.serial, all), ...device }));
  }

  /** A name is free again when its device is gone, and all are drawn again at a boot. */
  #pathOf(serial: string, present: readonly { serial: string }[]): string {
    for (const one of this.#paths.keys())
      if (!present.some((device) => device.serial === one)) this.#paths.delete(one);
    const known = this.#paths.get(serial);
    if (known !== undefined) return known;
    const taken = new Set(this.#paths.values());
    const free = Array.from({ length: 60 }, (_, at) => `/dev/nvme${(at + this.#order) % 60}n1`);
    const path = free.find((one) => !taken.has(one)) ?? '';
    this.#paths.set(serial, path);
    return path;
  }
}
