/** Room on the disk for the inputs of a task, on a disk that the test fills and empties. */
import { describe, expect, test } from 'vitest';
import { openRoom, type Disk, type Room } from '../../stager/room.ts';
import { FinalError, NoRoomError } from '../../stager/s3.ts';

const MIB = 1_048_576;
const GIB = 1024 * MIB;

interface FakeDisk extends Disk {
  /** Called at each look. */
  onLook?: () => void;
}

function roomOn(disk: FakeDisk, waitMs = 60_000): { room: Room; waits: string[] } {
  const waits: string[] = [];
  const room = openRoom({
    waitMs,
    pauseMs: 1,
    onWait: ({ path }) => waits.push(path),
    look: () => {
      disk.onLook?.();
      return Promise.resolve({ ...disk });
    },
  });
  return { room, waits };
}

const diskOf = (totalBytes: number, freeBytes = totalBytes): FakeDisk => ({
  device: 1,
  totalBytes,
  freeBytes,
});

describe('a claim', () => {
  test('a file that fits gets room at once, and one that does not gets none', async () => {
    const { room } = roomOn(diskOf(10 * GIB, GIB));
    expect(await room.tryClaim('/a', GIB / 2)).toBeDefined();
    expect(await room.tryClaim('/b', GIB)).toBeUndefined();
  });

  test('a file that would leave nothing for logs gets no room', async () => {
    const { room } = roomOn(diskOf(10 * GIB, GIB));
    expect(await room.tryClaim('/a', GIB)).toBeUndefined();
    expect(await room.tryClaim('/a', GIB - 64 * MIB)).toBeDefined();
  });

  test('what one download has claimed is not given to another, until it is written or given back', async () => {
    const disk = diskOf(10 * GIB, 2 * GIB);
    const { room } = roomOn(disk);
    const first = await room.tryClaim('/a', 1.5 * GIB);
    expect(await room.tryClaim('/b', GIB)).toBeUndefined();
    first?.release();
    first?.release();
    const second = await room.tryClaim('/b', 1.5 * GIB);
    // Bytes that are written count once: as used, and no longer as claimed.
    second?.wrote(GIB);
    disk.freeBytes -= GIB;
    expect(await room.tryClaim('/c', 0.25 * GIB)).toBeDefined();
    expect(await room.tryClaim('/d', 0.25 * GIB)).toBeUndefined();
  });

  test('each file system has room of its own', async () => {
    const disk = diskOf(10 * GIB, GIB);
    const { room } = roomOn(disk);
    await room.tryClaim('/a', GIB / 2);
    disk.device = 2;
    expect(await room.tryClaim('/mnt/b', 0.75 * GIB)).toBeDefined();
  });
});

describe('a wait for room', () => {
  test('a download waits until others have made room, and tells it once', async () => {
    const disk = diskOf(10 * GIB, 0);
    let looks = 0;
    disk.onLook = () => {
      looks += 1;
      if (looks === 4) disk.freeBytes = 2 * GIB;
    };
    const { room, waits } = roomOn(disk);
    expect(await room.claim('/a', GIB)).toBeDefined();
    expect(looks).toBe(4);
    expect(waits).toEqual(['/a']);
  });

  test('a wait in vain ends with an error that a retry elsewhere may fix, and ends all other waits', async () => {
    const { room } = roomOn(diskOf(10 * GIB, 0), 0);
    await expect(room.claim('/a', GIB)).rejects.toThrow(NoRoomError);
    const late = roomOn(diskOf(10 * GIB, 0), 50);
    const ended = await Promise.allSettled(
      ['/a', '/b', '/c'].map((path) => late.room.claim(path, GIB)),
    );
    expect(ended.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    await expect(late.room.claim('/d', GIB)).rejects.toThrow(
      /^no space left on device: 1\.1 GB are needed and 0 B are free/,
    );
    expect(late.waits).not.toContain('/d');
  });
});

describe('inputs that do not fit on the disk together', () => {
  test('inputs that do not fit together fail as soon as their sizes are known, however much is free', async () => {
    const { room } = roomOn(diskOf(2 * GIB));
    await room.announce('/in/a', 1.5 * GIB);
    await room.announce('/in/a', 1.5 * GIB);
    await expect(room.announce('/in/b', GIB)).rejects.toThrow(
      'ENOSPC: the inputs need at least 2.7 GB, but the file system of /in has 2.1 GB in total',
    );
  });

  test('a download that is under way ends with them, and so does one that waits', async () => {
    const disk = diskOf(2 * GIB, 1.7 * GIB);
    const { room } = roomOn(disk);
    await room.announce('/in/a', 1.5 * GIB);
    const claim = await room.tryClaim('/in/a', 1.5 * GIB);
    const waits = Promise.allSettled([room.claim('/in/b', GIB)]);
    await expect(room.announceFolder('/in/c', GIB)).rejects.toThrow(FinalError);
    expect(await waits).toMatchObject([{ reason: expect.any(FinalError) }]);
    expect(() => claim?.wrote(1)).toThrow(FinalError);
  });
});
