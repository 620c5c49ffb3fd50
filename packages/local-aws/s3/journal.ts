/**
 * The store on disk: one file of records, which is only appended to. A record is complete or, after
 * a crash, cut off when the file is read again, so there is never half an object.
 *
 *   u32 bytes of meta | u32 bytes of body | u32 CRC-32 of both | meta (JSON) | body (small objects)
 *
 * Records that arrive during a write go out together in the next one. That, and no file per object,
 * makes small PUTs cheap. There is no fsync: an answered PUT survives a kill -9 of the server, but
 * not a power failure.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  writev,
} from 'node:fs';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';

const HEADER_BYTES = 12;
const META_LIMIT_BYTES = 64 << 20;
const BATCH_LIMIT = 1000;
const writeAll = promisify(writev);

export interface JournalRecord {
  meta: unknown;
  body?: Buffer;
  /** Called when the record is on disk, with where its body starts in the file. */
  placed?: (offset: number) => void;
}

export interface JournalEntry {
  meta: unknown;
  /** Where the body starts in the file. */
  offset: number;
  bodyBytes: number;
}

export interface Journal {
  /**
   * Resolves when the record is written.
   * @throws when the file cannot be written; then every later append throws the same, because
   * memory and disk no longer agree. Free space and start again.
   */
  append(record: JournalRecord): Promise<void>;
  /**
   * A body's bytes. Synchronous: a small read of a new file comes from the page cache in
   * microseconds.
   */
  read(offset: number, bytes: number): Buffer;
  bytes(): number;
  /** Replaces the file with one that holds only these records. Appends wait until then. */
  compact(records: () => Iterable<JournalRecord>): Promise<void>;
  close(): Promise<void>;
}

function encode({ meta, body }: JournalRecord): Buffer[] {
  const text = Buffer.from(JSON.stringify(meta));
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32LE(text.length, 0);
  header.writeUInt32LE(body?.length ?? 0, 4);
  header.writeUInt32LE(crc32(body ?? Buffer.alloc(0), crc32(text)), 8);
  return body === undefined || body.length === 0 ? [header, text] : [header, text, body];
}

const lengthOf = (buffers: readonly Buffer[]) =>
  buffers.reduce((sum, { length }) => sum + length, 0);

/** Reads a file forward through a window, so that 100,000 records do not cost 300,000 reads. */
function createWindow(fd: number, fileBytes: number) {
  let window = Buffer.alloc(0);
  let start = 0;
  return (offset: number, bytes: number): Buffer | undefined => {
    if (offset + bytes > fileBytes) return undefined;
    if (offset < start || offset + bytes > start + window.length) {
      window = Buffer.allocUnsafe(Math.min(Math.max(bytes, 1 << 20), fileBytes - offset));
      start = offset;
      if (readSync(fd, window, 0, window.length, offset) < bytes) return undefined;
    }
    return window.subarray(offset - start, offset - start + bytes);
  };
}

/** Reads every whole record; returns where the last of them ends. */
function replay(fd: number, see: (entry: JournalEntry) => void): number {
  const fileBytes = fstatSync(fd).size;
  const windowAt = createWindow(fd, fileBytes);
  let offset = 0;
  for (;;) {
    const header = windowAt(offset, HEADER_BYTES);
    if (header === undefined) return offset;
    const [metaBytes, bodyBytes, check] = [
      header.readUInt32LE(0),
      header.readUInt32LE(4),
      header.readUInt32LE(8),
    ];
    if (metaBytes === 0 || metaBytes > META_LIMIT_BYTES) return offset;
    const content = windowAt(offset + HEADER_BYTES, metaBytes + bodyBytes);
    if (content === undefined || crc32(content) !== check) return offset;
    const meta: unknown = JSON.parse(content.toString('utf8', 0, metaBytes));
    see({ meta, offset: offset + HEADER_BYTES + metaBytes, bodyBytes });
    offset += HEADER_BYTES + metaBytes + bodyBytes;
  }
}

/**
 * Writes records one after another from `position`; returns where each body starts and where the
 * last ends.
 */
async function writeRecords(fd: number, records: readonly JournalRecord[], position: number) {
  const buffers: Buffer[] = [];
  const offsets: number[] = [];
  let end = position;
  for (const record of records) {
    const encoded = encode(record);
    end += lengthOf(encoded);
    offsets.push(end - (record.body?.length ?? 0));
    for (const part of encoded) buffers.push(part);
  }
  const { bytesWritten } = await writeAll(fd, buffers, position);
  if (bytesWritten < end - position)
    throw new Error(
      `only ${bytesWritten} of ${end - position} bytes were written: the disk may be full`,
    );
  return { offsets, end };
}

interface Pending {
  record: JournalRecord;
  resolve: () => void;
  reject: (cause: unknown) => void;
}

interface JournalFile {
  fd: number;
  /** Where the next record goes. */
  end: number;
}

/**
 * Opens or creates the file, reads it, and removes an incomplete last record, which a crash left.
 */
function openFile(path: string, see: (entry: JournalEntry) => void): JournalFile {
  closeSync(openSync(path, 'a'));
  const fd = openSync(path, 'r+');
  const end = replay(fd, see);
  const lost = fstatSync(fd).size - end;
  if (lost > 0) {
    process.emitWarning(
      `${path}: the last ${lost} bytes are an incomplete record, left by a crash, and are removed.`,
    );
    ftruncateSync(fd, end);
  }
  return { fd, end };
}

/** Writes the records to a new file, which replaces the old one. */
async function rewriteFile(
  path: string,
  file: JournalFile,
  records: Iterable<JournalRecord>,
): Promise<void> {
  const next: JournalFile = { fd: openSync(`${path}.next`, 'w+'), end: 0 };
  const placed: (() => void)[] = [];
  let batch: JournalRecord[] = [];
  const writeBatch = async () => {
    const { offsets, end } = await writeRecords(next.fd, batch, next.end);
    for (const [index, record] of batch.entries())
      placed.push(() => record.placed?.(offsets[index] ?? 0));
    next.end = end;
    batch = [];
  };
  for (const record of records) {
    batch.push(record);
    if (batch.length === BATCH_LIMIT) await writeBatch();
  }
  if (batch.length > 0) await writeBatch();
  renameSync(`${path}.next`, path);
  closeSync(file.fd);
  Object.assign(file, next);
  for (const tell of placed) tell();
}

interface Writer {
  path: string;
  file: JournalFile;
  pending: Pending[];
  /** The running write or compaction. */
  work: Promise<void> | undefined;
  failure: Error | undefined;
}

async function writeBatch(writer: Writer, batch: readonly Pending[]): Promise<void> {
  const { file, path } = writer;
  try {
    if (writer.failure !== undefined) throw writer.failure;
    const records = batch.map(({ record }) => record);
    const { offsets, end } = await writeRecords(file.fd, records, file.end);
    file.end = end;
    for (const [index, { record, resolve }] of batch.entries()) {
      record.placed?.(offsets[index] ?? 0);
      resolve();
    }
  } catch (cause) {
    writer.failure ??= new Error(
      `The journal ${path} cannot be written. Free space on its disk and start again.`,
      { cause },
    );
    for (const { reject } of batch) reject(writer.failure);
  }
}

async function flush(writer: Writer): Promise<void> {
  while (writer.pending.length > 0) {
    const batch = writer.pending.slice(0, BATCH_LIMIT);
    writer.pending = writer.pending.slice(BATCH_LIMIT);
    await writeBatch(writer, batch);
  }
  writer.work = undefined;
}

function readBody({ path, file }: Writer, offset: number, bytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(bytes);
  const got = readSync(file.fd, buffer, 0, bytes, offset);
  if (got < bytes)
    throw new Error(
      `${path} ends ${bytes - got} bytes before the end of the body at ${offset}. ` +
        'Another program has changed it.',
    );
  return buffer;
}

/** Opens or creates the journal at `path` and calls `see` with every record, in order. */
export function openJournal(path: string, see: (entry: JournalEntry) => void): Journal {
  const file = openFile(path, see);
  const writer: Writer = { path, file, pending: [], work: undefined, failure: undefined };
  return {
    append(record) {
      return new Promise((resolve, reject) => {
        writer.pending.push({ record, resolve, reject });
        // Not flushed at once: what this turn of the loop still appends joins the same write.
        writer.work ??= Promise.resolve().then(() => flush(writer));
      });
    },
    read: (offset, bytes) => readBody(writer, offset, bytes),
    bytes: () => file.end,
    async compact(records) {
      // Here and in close(), not in a function of its own: between the end of such a function and
      // this line an append could begin a flush, and the two would write at once.
      for (let busy = writer.work; busy !== undefined; busy = writer.work) await busy;
      writer.work = rewriteFile(path, file, records())
        .catch((cause: unknown) =>
          process.emitWarning(
            `${path} could not be compacted and stays as it is: ${String(cause)}`,
          ),
        )
        .then(() => flush(writer));
      await writer.work;
    },
    async close() {
      for (let busy = writer.work; busy !== undefined; busy = writer.work) await busy;
      closeSync(file.fd);
    },
  };
}
