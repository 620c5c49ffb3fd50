/**
 * The bodies that are too large for the journal: a file each, written once and never changed. Each
 * reference is counted: the object, a multipart part, and every reader. A file without references
 * is removed. So a copy of gigabytes is one more reference, and an object that is overwritten
 * during a download is still read to its end.
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
  /** The name, with one reference: pass it on or release it. */
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
   * Removes files without references, which a crash left behind. Call once, when the journal has
   * been read.
   */
  sweep(): Promise<void>;
  /** Waits for running removals. */
  close(): Promise<void>;
}

const READ_BYTES = 1 << 20;

/** A new file with a name of its own. `hold` gets the name when the file is complete. */
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

/** Blobs in `folder`, which is created when it does not exist. */
export function openBlobs(folder: string): Blobs {
  mkdirSync(folder, { recursive: true });
  const holders = new Map<string, number>();
  const pathOf = (blob: string) => join(folder, blob);
  // While the journal is read, a later record can refer again to a file without references (a copy
  // that ended after its source was deleted). So nothing is removed before the sweep.
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
