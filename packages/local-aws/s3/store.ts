/**
 * Buckets, objects and multipart uploads: in memory for every question, in the journal and the
 * blobs for the next start. A change is decided and made visible in one turn of the event loop,
 * without an await between the check of a condition and the change: that is what makes conditional
 * writes bite under concurrency. It is answered once it is on disk.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openBlobs, type Blobs, type Segment } from './blobs.ts';
import type { Checksum, ChecksumAlgorithm, ChecksumType } from './checksums.ts';
import { lockFolder } from './folder-lock.ts';
import { openJournal, type Journal, type JournalRecord } from './journal.ts';
import { createKeyIndex, type KeyIndex } from './key-index.ts';

/** Where an object's bytes are: not yet in the journal, in the journal, or in blobs. */
export type Body =
  | { at: 'memory'; buffer: Buffer }
  | { at: 'journal'; offset: number; bytes: number }
  | { at: 'blobs'; segments: Segment[] };

export interface PartRecord {
  number: number;
  bytes: number;
  /** MD5 in hex, without quotes. */
  etag: string;
  modifiedAtMs: number;
  /** base64, of the upload's algorithm. */
  checksum: { algorithm: ChecksumAlgorithm; value: string };
}

/**
 * What a client gave with an object and gets back: content headers, x-amz-meta-*, storage class, by
 * lower-case name.
 */
export type KeptHeaders = Record<string, string>;

export interface ObjectRecord {
  key: string;
  bytes: number;
  /** Without quotes. */
  etag: string;
  modifiedAtMs: number;
  headers: KeptHeaders;
  tags?: [name: string, value: string][];
  checksum?: Checksum;
  /** Of a multipart object. */
  parts?: PartRecord[];
}

export interface StoredObject extends ObjectRecord {
  body: Body;
}

export interface StoredPart extends PartRecord {
  segment: Segment;
}

export interface UploadRecord {
  id: string;
  bucket: string;
  key: string;
  initiatedAtMs: number;
  headers: KeptHeaders;
  tags?: [name: string, value: string][];
  /** What CreateMultipartUpload named; absent: S3 keeps a CRC64NVME on its own account. */
  checksum?: { algorithm: ChecksumAlgorithm; type: ChecksumType };
}

export interface Upload extends UploadRecord {
  parts: Map<number, StoredPart>;
}

export interface Bucket {
  name: string;
  createdAtMs: number;
  objects: KeyIndex<StoredObject>;
}

type Change =
  | { type: 'bucket'; name: string; createdAtMs: number }
  | { type: 'bucket-gone'; name: string }
  | {
      type: 'object';
      bucket: string;
      object: ObjectRecord;
      segments?: Segment[];
      uploadId?: string;
    }
  | { type: 'object-gone'; bucket: string; key: string }
  | { type: 'upload'; upload: UploadRecord }
  | { type: 'part'; uploadId: string; part: StoredPart }
  | { type: 'upload-gone'; uploadId: string };

export interface Store {
  readonly blobs: Blobs;
  readonly buckets: ReadonlyMap<string, Bucket>;
  readonly uploads: ReadonlyMap<string, Upload>;
  createBucket(name: string, createdAtMs: number): Promise<void>;
  deleteBucket(name: string): Promise<void>;
  /**
   * Puts the object, over what is there; takes over the body's blobs. With `uploadId` the upload
   * ends in the same record.
   */
  putObject(bucket: Bucket, object: StoredObject, uploadId?: string): Promise<void>;
  deleteObject(bucket: Bucket, key: string): Promise<void>;
  createUpload(upload: UploadRecord): Promise<void>;
  /** Takes over the part's blob; an earlier part of this number goes. */
  putPart(upload: Upload, part: StoredPart): Promise<void>;
  abortUpload(upload: Upload): Promise<void>;
  /** The bytes of a small body. */
  readInline(body: Exclude<Body, { at: 'blobs' }>): Buffer;
  close(): Promise<void>;
}

/** Below this much growth a journal is not worth writing anew. */
const WORTHWHILE_BYTES = 64 << 20;

const segmentsOf = (body: Body): Segment[] => (body.at === 'blobs' ? body.segments : []);

function recordOf({
  key,
  bytes,
  etag,
  modifiedAtMs,
  headers,
  tags,
  checksum,
  parts,
}: StoredObject): ObjectRecord {
  return {
    key,
    bytes,
    etag,
    modifiedAtMs,
    headers,
    ...(tags && { tags }),
    ...(checksum && { checksum }),
    ...(parts && { parts }),
  };
}

function uploadRecordOf({
  id,
  bucket,
  key,
  initiatedAtMs,
  headers,
  tags,
  checksum,
}: Upload): UploadRecord {
  return {
    id,
    bucket,
    key,
    initiatedAtMs,
    headers,
    ...(tags && { tags }),
    ...(checksum && { checksum }),
  };
}

/**
 * What is in memory, and how each change alters it: the same code for a request and for the
 * journal's replay.
 */
function createState(blobs: Blobs) {
  const buckets = new Map<string, Bucket>();
  const uploads = new Map<string, Upload>();

  function dropObject(bucket: Bucket | undefined, key: string): void {
    const object = bucket?.objects.get(key);
    if (object === undefined) return;
    blobs.release(segmentsOf(object.body));
    bucket?.objects.delete(key);
  }
  function endUpload(id: string): void {
    const upload = uploads.get(id);
    if (upload === undefined) return;
    uploads.delete(id);
    blobs.release([...upload.parts.values()].map(({ segment }) => segment));
  }
  function setObject(bucketName: string, object: StoredObject): void {
    const bucket = buckets.get(bucketName);
    const before = bucket?.objects.get(object.key);
    bucket?.objects.set(object.key, object);
    if (before !== undefined) blobs.release(segmentsOf(before.body));
  }
  function setPart(uploadId: string, part: StoredPart): void {
    const upload = uploads.get(uploadId);
    const before = upload?.parts.get(part.number);
    upload?.parts.set(part.number, part);
    if (before !== undefined) blobs.release([before.segment]);
  }
  return {
    buckets,
    uploads,
    createBucket: (name: string, createdAtMs: number) =>
      buckets.set(name, { name, createdAtMs, objects: createKeyIndex() }),
    dropObject,
    endUpload,
    setObject,
    setPart,
    createUpload: (upload: UploadRecord) => uploads.set(upload.id, { ...upload, parts: new Map() }),
  };
}

type State = ReturnType<typeof createState>;

/**
 * Applies a record of the journal. Blobs are counted as held by it, and given up when a later
 * record ends it.
 */
function applyChange(
  state: State,
  blobs: Blobs,
  change: Change,
  offset: number,
  bytes: number,
): void {
  switch (change.type) {
    case 'bucket':
      state.createBucket(change.name, change.createdAtMs);
      break;
    case 'bucket-gone':
      state.buckets.delete(change.name);
      break;
    case 'object': {
      const { segments } = change;
      if (segments !== undefined) blobs.retain(segments);
      state.setObject(change.bucket, {
        ...change.object,
        body: segments ? { at: 'blobs', segments } : { at: 'journal', offset, bytes },
      });
      if (change.uploadId !== undefined) state.endUpload(change.uploadId);
      break;
    }
    case 'object-gone':
      state.dropObject(state.buckets.get(change.bucket), change.key);
      break;
    case 'upload':
      state.createUpload(change.upload);
      break;
    case 'part':
      blobs.retain([change.part.segment]);
      state.setPart(change.uploadId, change.part);
      break;
    case 'upload-gone':
      state.endUpload(change.uploadId);
      break;
  }
}

function objectRecord(
  bucket: string,
  object: StoredObject,
  inline: Buffer | undefined,
  uploadId?: string,
): JournalRecord {
  const change: Change = {
    type: 'object',
    bucket,
    object: recordOf(object),
    ...(uploadId !== undefined && { uploadId }),
  };
  if (object.body.at === 'blobs') return { meta: { ...change, segments: object.body.segments } };
  const body = inline ?? Buffer.alloc(0);
  return {
    meta: change,
    body,
    placed(offset) {
      object.body = { at: 'journal', offset, bytes: body.length };
    },
  };
}

/** Everything that a new journal needs to say. */
function* liveRecords(state: State, readInline: Store['readInline']): Iterable<JournalRecord> {
  for (const { name, createdAtMs, objects } of state.buckets.values()) {
    yield { meta: { type: 'bucket', name, createdAtMs } satisfies Change };
    for (const object of objects.values()) {
      yield objectRecord(
        name,
        object,
        object.body.at === 'blobs' ? undefined : readInline(object.body),
      );
    }
  }
  for (const upload of state.uploads.values()) {
    yield { meta: { type: 'upload', upload: uploadRecordOf(upload) } satisfies Change };
    for (const part of upload.parts.values())
      yield { meta: { type: 'part', uploadId: upload.id, part } satisfies Change };
  }
}

/** Writes the journal anew whenever it has doubled since the last time. */
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

/**
 * Opens the store in `folder`, made when absent; what an earlier process put there is there again.
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

  async function write(record: JournalRecord): Promise<void> {
    await journal.append(record);
    void compactIfGrown();
  }
  const writeChange = (change: Change) => write({ meta: change });

  return {
    blobs,
    buckets: state.buckets,
    uploads: state.uploads,
    readInline,
    createBucket(name, createdAtMs) {
      state.createBucket(name, createdAtMs);
      return writeChange({ type: 'bucket', name, createdAtMs });
    },
    deleteBucket(name) {
      state.buckets.delete(name);
      return writeChange({ type: 'bucket-gone', name });
    },
    putObject(bucket, object, uploadId) {
      state.setObject(bucket.name, object);
      const written = write(
        objectRecord(
          bucket.name,
          object,
          object.body.at === 'blobs' ? undefined : readInline(object.body),
          uploadId,
        ),
      );
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
    async close() {
      await compactIfGrown();
      await journal.close();
      await blobs.close();
      unlock();
    },
  };
}
