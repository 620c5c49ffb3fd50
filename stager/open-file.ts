/** Reads from files that are open already, at given places. */
import type { FileHandle } from 'node:fs/promises';
import { FinalError } from './s3.ts';

/** Both included. */
export interface ByteSpan {
  start: number;
  end: number;
}

/** The file no longer is what its upload began with. */
export class ChangedError extends FinalError {
  override name = 'ChangedError';
}

/** Larger chunks are not faster, and they accumulate: Node frees buffers late. */
const CHUNK_BYTES = 262_144;

/** @throws ChangedError when the file has become shorter */
export async function* readRange(
  file: FileHandle,
  { start, end }: ByteSpan,
): AsyncGenerator<Buffer> {
  for (let at = start; at <= end;) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end + 1 - at));
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) throw new ChangedError('the file became shorter while it was read');
    yield chunk.subarray(0, bytesRead);
    at += bytesRead;
  }
}
