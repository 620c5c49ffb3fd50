/** The bodies of downloads: how many are read at once, and how one gets to disk. */
import type { FileHandle } from 'node:fs/promises';
import type { Digest } from './digest.ts';
import { limitTo } from './limit.ts';
import type { Claim, Room } from './room.ts';

/**
 * Bodies read at once. Each holds one chunk (64 KiB) and its socket's buffer, so this limits memory
 * as well as connections, whatever the number and size of the files. The stager runs within the
 * task's own memory limit.
 */
export const body = limitTo(16);

/** Where a file goes, besides its path. */
export interface Target {
  room: Room;
  /** The room already knows the size of the file. */
  isAnnounced?: boolean;
  /** Called before a large file is fetched. */
  onLarge?(): Promise<void>;
}

export interface Downloaded {
  sizeBytes: number;
  /** As S3 answered, without quotes; absent for what comes from the web. */
  etag?: string;
  /** base64; of what came from S3. */
  crc64nvme?: string;
}

/** @returns bytes written, from `position` on */
export async function pour(
  from: AsyncIterable<Uint8Array>,
  file: FileHandle,
  position: number,
  digest: Pick<Digest, 'update'> | undefined,
  claim: Claim,
): Promise<number> {
  let written = 0;
  for await (const chunk of from) {
    digest?.update(chunk);
    for (let done = 0; done < chunk.length;)
      done += (await file.write(chunk, done, chunk.length - done, position + written + done))
        .bytesWritten;
    written += chunk.length;
    claim.wrote(chunk.length);
  }
  return written;
}

export function requireSize(read: number, expected: number): void {
  if (read !== expected) throw new Error(`received ${read} bytes instead of ${expected}`);
}
