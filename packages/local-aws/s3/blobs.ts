/**
 * The bodies too large for the journal, a file each, written once and never changed. What refers to
 * one counts it: the object, a multipart part, and whoever is reading; a file goes when nobody
 * does. So a copy of gigabytes is a count, and an object overwritten in mid-download is still read
 * to its end.
 */
import { createReadStream, mkdirSync, readdirSync } from 'node:fs';
import { open, rm, unlink } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

export interface Segment {
  blob: string;
  bytes: number;
}

export interface BlobWriter {
  write(buffers: readonly Buffer[]): Promise<void>;
  /** The name, held once: pass it on or release it. */
  finish(): Promise<string>;
  discard(): Promise<void>;
}

export interface Blobs {
  create(): Promise<BlobWriter>;
  retain(segments: readonly Segment[]): void;
  release(segments: readonly Segment[]): void;
  /** Bytes from..to (both included) of the segments one after another. */
  read(segments: readonly Segment[], from: number, to: number): AsyncGenerator<Buffer>;
  /**
   * Removes files that nothing refers to: what a crash left behind. Call once, when the journal has
   * been read.
   */
  sweep(): Promise<void>;
  /** Waits for the removals under way. */
  close(): Promise<void>;
}

const READ_BYTES = 1 << 20;

/** A new file under a name of its own; `hold` is told the name when it is whole. */
async function createWriter(folder: string, hold: (blob: string) => void): Promise<BlobWriter> {
  const blob = randomBytes(12).toString('hex');
  const path = join(folder, blob);
  const handle = await open(path, 'wx');
  return {
    async write(buffers) {
      await handle.writev(buffers);
    },
    async finish() {
      await handle.close();
      hold(blob);
      return blob;
    },
    async discard() {
      await handle.close();
      await unlink(path);
    },
  };
}

/** Blobs in `folder`, made when absent. */
export function openBlobs(folder: string): Blobs {
  mkdirSync(folder, { recursive: true });
  const holders = new Map<string, number>();
  const pathOf = (blob: string) => join(folder, blob);
  // While the journal is read, a file nobody holds may be held again by a later record (a copy that
  // ended after its source was deleted): nothing is removed before the sweep.
  let swept = false;
  const removals = new Set<Promise<void>>();

  /** A file that cannot be removed now is removed by the sweep of the next start. */
  function remove(blob: string): void {
    const removal = rm(pathOf(blob), { force: true })
      .catch(() => undefined)
      .finally(() => removals.delete(removal));
    removals.add(removal);
  }

  return {
    create: () => createWriter(folder, (blob) => holders.set(blob, 1)),
    retain(segments) {
      for (const { blob } of segments) holders.set(blob, (holders.get(blob) ?? 0) + 1);
    },
    release(segments) {
      for (const { blob } of segments) {
        const held = (holders.get(blob) ?? 1) - 1;
        if (held > 0) {
          holders.set(blob, held);
          continue;
        }
        holders.delete(blob);
        if (swept) remove(blob);
      }
    },
    async *read(segments, from, to) {
      let start = 0;
      for (const { blob, bytes } of segments) {
        const first = Math.max(0, from - start);
        const last = Math.min(bytes - 1, to - start);
        start += bytes;
        if (first > last) continue;
        const stream = createReadStream(pathOf(blob), {
          start: first,
          end: last,
          highWaterMark: READ_BYTES,
        });
        for await (const chunk of stream) yield chunk as Buffer;
      }
    },
    async sweep() {
      swept = true;
      for (const file of readdirSync(folder))
        if (!holders.has(file)) await rm(pathOf(file), { force: true });
    },
    async close() {
      await Promise.all(removals);
    },
  };
}
