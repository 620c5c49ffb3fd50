/**
 * Buckets, objects and multipart uploads: in memory for every read, in the journal and the blobs
 * for the next start. A change is decided and made visible in one turn of the event loop, without
 * an await between the check of a condition and the change. That makes conditional writes reliable
 * under concurrency. A change is answered once it is on disk.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openBlobs, type Blobs } from './blobs.ts';
import { lockFolder } from './folder-lock.ts';
import { openJournal, type Journal, type JournalRecord } from './journal.ts';
import type {
  Bucket,
  InlineBody,
  StoredObject,
  StoredPart,
  Upload,
  UploadRecord,
} from './records.ts';
import {
  applyChange,
  createState,
  liveRecords,
  objectRecord,
  type Change,
  type State,
} from './state.ts';

export interface Store {
  readonly blobs: Blobs;
  readonly buckets: ReadonlyMap<string, Bucket>;
  readonly uploads: ReadonlyMap<string, Upload>;
  createBucket(name: string, createdAtMs: number): Promise<void>;
  deleteBucket(name: string): Promise<void>;
  /** From now on; it cannot be turned off. */
  keepVersions(bucket: Bucket): Promise<void>;
  /**
   * Puts the object, replacing what is there, and takes over the body's blobs. With `uploadId` the
   * upload ends in the same record. Where the bucket keeps versions, the object gets its version.
   */
  putObject(bucket: Bucket, object: StoredObject, uploadId?: string): Promise<void>;
  deleteObject(bucket: Bucket, key: string): Promise<void>;
  createUpload(upload: UploadRecord): Promise<void>;
  /** Takes over the part's blob and replaces an earlier part of this number. */
  putPart(upload: Upload, part: StoredPart): Promise<void>;
  abortUpload(upload: Upload): Promise<void>;
  /** The bytes of a small body. */
  readInline(body: InlineBody): Buffer;
  close(): Promise<void>;
}

/** The journal is compacted only after this much growth. */
const WORTHWHILE_BYTES = 64 << 20;

/** Compacts the journal whenever it has doubled since the last time. */
function createCompaction(
  journal: Journal,
  compactAboveBytes: number,
  records: () => Iterable<JournalRecord>,
) {
  let bytesThen = 0;
  let running: Promise<void> | undefined;
  return (): Promise<void> | undefined => {
    if (running !== undefined || journal.bytes() < bytesThen * 2 + compactAboveBytes)
      return running;
    running = journal.compact(records).finally(() => {
      bytesThen = journal.bytes();
      running = undefined;
    });
    return running;
  };
}

type Changes = Omit<Store, 'blobs' | 'buckets' | 'uploads' | 'readInline' | 'close'>;

/** Each change alters the memory at once, and resolves when its record is written. */
function createChanges(
  state: State,
  readInline: Store['readInline'],
  write: (record: JournalRecord) => Promise<void>,
): Changes {
  const writeChange = (change: Change) => write({ meta: change });
  return {
    createBucket(name, createdAtMs) {
      state.createBucket(name, createdAtMs);
      return writeChange({ type: 'bucket', name, createdAtMs });
    },
    deleteBucket(name) {
      state.buckets.delete(name);
      return writeChange({ type: 'bucket-gone', name });
    },
    keepVersions({ name }) {
      state.keepVersions(name);
      return writeChange({ type: 'versioning', name });
    },
    putObject(bucket, object, uploadId) {
      if (bucket.versions) object.versionId ??= randomBytes(24).toString('base64url');
      state.setObject(bucket.name, object);
      const inline = object.body.at === 'blobs' ? undefined : readInline(object.body);
      const written = write(objectRecord(bucket.name, object, inline, uploadId));
      if (uploadId !== undefined) state.endUpload(uploadId);
      return written;
    },
    deleteObject(bucket, key) {
      state.dropObject(bucket, key);
      return writeChange({ type: 'object-gone', bucket: bucket.name, key });
    },
    createUpload(upload) {
      state.createUpload(upload);
      return writeChange({ type: 'upload', upload });
    },
    putPart(upload, part) {
      state.setPart(upload.id, part);
      return writeChange({ type: 'part', uploadId: upload.id, part });
    },
    abortUpload(upload) {
      state.endUpload(upload.id);
      return writeChange({ type: 'upload-gone', uploadId: upload.id });
    },
  };
}

/**
 * Opens or creates the store in `folder`, with everything an earlier process kept there.
 * @throws when another live process has the folder open.
 */
export async function openStore(
  folder: string,
  compactAboveBytes = WORTHWHILE_BYTES,
): Promise<Store> {
  mkdirSync(folder, { recursive: true });
  const unlock = lockFolder(folder);
  const blobs = openBlobs(join(folder, 'blobs'));
  const state = createState(blobs);
  const journal = openJournal(join(folder, 'journal'), ({ meta, offset, bodyBytes }) => {
    applyChange(state, blobs, meta as Change, offset, bodyBytes);
  });
  const readInline: Store['readInline'] = (body) =>
    body.at === 'memory' ? body.buffer : journal.read(body.offset, body.bytes);
  const compactIfGrown = createCompaction(journal, compactAboveBytes, () =>
    liveRecords(state, readInline),
  );
  await compactIfGrown();
  await blobs.sweep();
  const write = async (record: JournalRecord): Promise<void> => {
    await journal.append(record);
    void compactIfGrown();
  };
  return {
    blobs,
    buckets: state.buckets,
    uploads: state.uploads,
    readInline,
    ...createChanges(state, readInline, write),
    async close() {
      await compactIfGrown();
      await journal.close();
      await blobs.close();
      unlock();
    },
  };
}
