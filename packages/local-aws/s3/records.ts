/** What the store holds: objects, parts, uploads and buckets, as data. */
import type { Segment } from './blobs.ts';
import type { Checksum, ChecksumAlgorithm, ChecksumType } from './checksums.ts';
import type { KeyIndex } from './key-index.ts';

/** Where an object's bytes are: not yet in the journal, in the journal, or in blobs. */
export type Body =
  | { at: 'memory'; buffer: Buffer }
  | { at: 'journal'; offset: number; bytes: number }
  | { at: 'blobs'; segments: Segment[] };

/** A body small enough to be kept in the journal. */
export type InlineBody = Exclude<Body, { at: 'blobs' }>;

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
 * What a client sends with an object and gets back: content headers, x-amz-meta-*, storage class,
 * by lower-case name.
 */
export type KeptHeaders = Record<string, string>;

export interface ObjectRecord {
  key: string;
  bytes: number;
  /** Without quotes. */
  etag: string;
  /** Absent for an object from before its bucket kept versions: AWS calls that version null. */
  versionId?: string;
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
  /** What CreateMultipartUpload named. When absent, S3 keeps a CRC64NVME. */
  checksum?: { algorithm: ChecksumAlgorithm; type: ChecksumType };
}

export interface Upload extends UploadRecord {
  parts: Map<number, StoredPart>;
}

export interface Bucket {
  name: string;
  createdAtMs: number;
  objects: KeyIndex<StoredObject>;
  /** What was replaced or deleted, by `versionName`, oldest first. Absent while versioning is off. */
  versions?: Map<string, StoredObject>;
}

export const versionName = (key: string, versionId: string | undefined): string =>
  `${versionId ?? 'null'} ${key}`;
