/**
 * Room on the disks that a task's inputs are written to. Tasks of one host share its disk, so a
 * download that does not fit waits until others have ended.
 */
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { spellBytes } from '../core/cache/spell.ts';
import { FinalError, NoRoomError } from './s3.ts';

/** A file system as it is right now. */
export interface Disk {
  device: number;
  totalBytes: number;
  /** What a task may still write. */
  freeBytes: number;
}

/** Room for one file. What is not written yet is kept from the other downloads of this task. */
export interface Claim {
  /** @throws FinalError once the task's inputs are known not to fit together */
  wrote(bytes: number): void;
  release(): void;
}

export interface Room {
  /**
   * Adds a file to what the task needs. The same path counts once.
   * @throws FinalError when all of them together are larger than the file system
   */
  announce(path: string, bytes: number): Promise<void>;
  /** The same for files of one folder, which no other call names. */
  announceFolder(folder: string, bytes: number): Promise<void>;
  /** Undefined when there is not enough room now. */
  tryClaim(path: string, bytes: number): Promise<Claim | undefined>;
  /** @throws NoRoomError when the task has waited for as long as it may */
  claim(path: string, bytes: number): Promise<Claim>;
}

export interface RoomOptions {
  /** How long a download waits. */
  waitMs: number;
  /** Called when a download begins to wait. */
  onWait(wait: { path: string; neededBytes: number; freeBytes: number }): void;
  look?: (folder: string) => Promise<Disk>;
  /** The first pause between two looks at a disk that is full; they double up to 5 s. */
  pauseMs?: number;
}

const anyClaim: Claim = { wrote: () => undefined, release: () => undefined };

/** For whoever keeps no account of its disk. */
export const anyRoom: Room = {
  announce: () => Promise.resolve(),
  announceFolder: () => Promise.resolve(),
  tryClaim: () => Promise.resolve(anyClaim),
  claim: () => Promise.resolve(anyClaim),
};

const MIB = 1_048_576;
/** Kept free for logs and for what others write between two looks; less on a small disk. */
const RESERVE_BYTES = 64 * MIB;
const RESERVE_PART = 50;
/** A look costs about 30 µs; what is remembered must not cost memory without limit. */
const MOST_FOLDERS = 1000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/** Of a folder that is not there yet: the file system of the folder that it will be in. */
async function lookAtDisk(folder: string): Promise<Disk> {
  try {
    const [{ dev: device }, { blocks, bavail, bsize }] = await Promise.all([
      stat(folder),
      statfs(folder),
    ]);
    return { device, totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  } catch (error) {
    const above = dirname(folder);
    if (above === folder || !(error instanceof Error && 'code' in error && error.code === 'ENOENT'))
      throw error;
    return lookAtDisk(above);
  }
}

const reserveOf = ({ totalBytes }: Disk): number =>
  Math.min(RESERVE_BYTES, totalBytes / RESERVE_PART);

/** What the task needs of one file system, and what it has claimed and not written yet. */
interface Need {
  announcedBytes: number;
  unwrittenBytes: number;
}

interface State extends Required<RoomOptions> {
  needs: Map<number, Need>;
  announced: Set<string>;
  /** The disks of folders; how much is free is looked up each time. */
  disks: Map<string, Disk>;
  /** A download waited in vain: no other waits any longer. */
  gaveUp: boolean;
  /** The inputs do not fit together: every download ends with this. */
  doom?: FinalError;
}

export function openRoom(options: RoomOptions): Room {
  const state: State = {
    look: lookAtDisk,
    pauseMs: FIRST_PAUSE_MS,
    ...options,
    needs: new Map(),
    announced: new Set(),
    disks: new Map(),
    gaveUp: false,
  };
  return {
    async announce(path, bytes) {
      if (state.announced.has(path)) return;
      state.announced.add(path);
      await announce(state, dirname(path), bytes);
    },
    announceFolder: (folder, bytes) => announce(state, folder, bytes),
    tryClaim: async (path, bytes) => {
      const disk = await state.look(dirname(path));
      return lacking(state, disk, bytes) > 0 ? undefined : take(state, disk, bytes);
    },
    claim: (path, bytes) => waitAndTake(state, path, bytes),
  };
}

const needOf = (state: State, { device }: Disk): Need => {
  const need = state.needs.get(device) ?? { announcedBytes: 0, unwrittenBytes: 0 };
  state.needs.set(device, need);
  return need;
};

async function announce(state: State, folder: string, bytes: number): Promise<void> {
  const disk = state.disks.get(folder) ?? (await state.look(folder));
  if (state.disks.size < MOST_FOLDERS) state.disks.set(folder, disk);
  const need = needOf(state, disk);
  need.announcedBytes += bytes;
  if (need.announcedBytes > disk.totalBytes)
    state.doom ??= new FinalError(
      `ENOSPC: the inputs need at least ${spellBytes(need.announcedBytes)}, but the file system of ` +
        `${folder} has ${spellBytes(disk.totalBytes)} in total`,
    );
  if (state.doom) throw state.doom;
}

/** How many bytes are too few; 0 or less when the file fits. */
const lacking = (state: State, disk: Disk, bytes: number): number =>
  bytes + needOf(state, disk).unwrittenBytes + reserveOf(disk) - disk.freeBytes;

function take(state: State, disk: Disk, bytes: number): Claim {
  const need = needOf(state, disk);
  let left = bytes;
  need.unwrittenBytes += left;
  const giveBack = (written: number): void => {
    const returned = Math.min(left, written);
    left -= returned;
    need.unwrittenBytes -= returned;
  };
  return {
    wrote(written) {
      giveBack(written);
      if (state.doom) throw state.doom;
    },
    release: () => giveBack(left),
  };
}

async function waitAndTake(state: State, path: string, bytes: number): Promise<Claim> {
  const startMs = performance.now();
  for (let looks = 0; ; looks += 1) {
    if (state.doom) throw state.doom;
    const disk = await state.look(dirname(path));
    if (lacking(state, disk, bytes) <= 0) return take(state, disk, bytes);
    if (state.gaveUp || performance.now() - startMs >= state.waitMs) {
      state.gaveUp = true;
      throw new NoRoomError(
        `no space left on device: ${spellBytes(bytes)} are needed and ${spellBytes(disk.freeBytes)} are ` +
          `free, after a wait of ${Math.round((performance.now() - startMs) / 1000)} s`,
      );
    }
    if (looks === 0) state.onWait({ path, neededBytes: bytes, freeBytes: disk.freeBytes });
    const pauseMs = Math.min(LONGEST_PAUSE_MS, state.pauseMs * 2 ** Math.min(looks, 10));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
