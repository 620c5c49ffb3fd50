/**
 * The store's memory and how each change alters it, with the same code for a request and for the
 * replay of the journal.
 */
import type { Blobs, Segment } from './blobs.ts';
import type { JournalRecord } from './journal.ts';
import { createKeyIndex } from './key-index.ts';
import {
  versionName,
  type Body,
  type Bucket,
  type InlineBody,
  type ObjectRecord,
  type StoredObject,
  type StoredPart,
  type Upload,
  type UploadRecord,
} from './records.ts';

export type Change =
  | { type: 'bucket'; name: string; createdAtMs: number }
  | { type: 'bucket-gone'; name: string }
  | { type: 'versioning'; name: string }
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

const segmentsOf = (body: Body): Segment[] => (body.at === 'blobs' ? body.segments : []);

function recordOf({
  key,
  bytes,
  etag,
  versionId,
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
    ...(versionId !== undefined && { versionId }),
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

/** Empty memory. It releases the blobs of whatever a change replaces or removes. */
export function createState(blobs: Blobs) {
  const buckets = new Map<string, Bucket>();
  const uploads = new Map<string, Upload>();

  /** Where versions are kept, an object outlives its being replaced or deleted. */
  function leave({ versions }: Bucket, object: StoredObject): void {
    if (versions) versions.set(versionName(object.key, object.versionId), object);
    else blobs.release(segmentsOf(object.body));
  }
  function dropObject(bucket: Bucket | undefined, key: string): void {
    const object = bucket?.objects.get(key);
    if (bucket === undefined || object === undefined) return;
    leave(bucket, object);
    bucket.objects.delete(key);
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
    if (bucket === undefined || before === undefined) return;
    // New tags are not a new version.
    if (bucket.versions && before.versionId === object.versionId)
      blobs.release(segmentsOf(before.body));
    else leave(bucket, before);
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
    keepVersions(name: string): void {
      const bucket = buckets.get(name);
      if (bucket) bucket.versions ??= new Map();
    },
    dropObject,
    endUpload,
    setObject,
    setPart,
    createUpload: (upload: UploadRecord) => uploads.set(upload.id, { ...upload, parts: new Map() }),
  };
}

export type State = ReturnType<typeof createState>;

/**
 * Applies a record of the journal. It references its blobs until a later record releases them.
 */
export function applyChange(
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
    case 'versioning':
      state.keepVersions(change.name);
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

export function objectRecord(
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

/** Those that only earlier versions have. */
function deletedKeys({ objects, versions }: Bucket): Set<string> {
  const keys = [...(versions?.values() ?? [])].map(({ key }) => key);
  return new Set(keys.filter((key) => objects.get(key) === undefined));
}

/** The records of a compacted journal. */
export function* liveRecords(
  state: State,
  readInline: (body: InlineBody) => Buffer,
): Iterable<JournalRecord> {
  const recorded = (name: string, object: StoredObject): JournalRecord =>
    objectRecord(name, object, object.body.at === 'blobs' ? undefined : readInline(object.body));
  for (const bucket of state.buckets.values()) {
    const { name, createdAtMs, objects, versions } = bucket;
    yield { meta: { type: 'bucket', name, createdAtMs } satisfies Change };
    if (versions) yield { meta: { type: 'versioning', name } satisfies Change };
    for (const object of versions?.values() ?? []) yield recorded(name, object);
    for (const key of deletedKeys(bucket))
      yield { meta: { type: 'object-gone', bucket: name, key } satisfies Change };
    for (const object of objects.values()) yield recorded(name, object);
  }
  for (const upload of state.uploads.values()) {
    yield { meta: { type: 'upload', upload: uploadRecordOf(upload) } satisfies Change };
    for (const part of upload.parts.values())
      yield { meta: { type: 'part', uploadId: upload.id, part } satisfies Change };
  }
}
