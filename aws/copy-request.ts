/** A copy within S3, as it is asked for, and what came of it. */
import type { S3Client } from '@aws-sdk/client-s3';
import type { CopyTrouble } from '../core/cache/copy-trouble.ts';
import type { S3Place } from '../core/files/s3-url.ts';

export interface CopySource {
  url: string;
  sizeBytes: number;
  /** CRC64NVME, base64. */
  crc64nvme: string;
  /** As it was seen last, without quotes; '' where the bucket's ETags tell nothing. */
  etag: string;
  versionId: string | null;
}

export interface CopyRequest {
  from: CopySource;
  toUrl: string;
  signal?: AbortSignal;
  /** For a copy in parts, which a later try resumes; without it, a failed one is aborted. */
  uploads?: UploadMemory;
}

/** What is remembered of one copy in parts. */
export interface UploadMemory {
  /** The id of its upload; 'begun' when an upload may exist whose id is not known. */
  recall(): Promise<{ uploadId: string } | 'begun' | undefined>;
  begin(): Promise<void>;
  /** Returns the id that counts: another worker may have noted its own first. */
  note(uploadId: string): Promise<string>;
  forget(): Promise<void>;
}

export interface Copied {
  did: 'copied';
  etag: string;
  /** What the copy lacks. */
  warnings: string[];
}

export type CopyOutcome =
  | Copied
  | { did: 'cancelled' }
  /** S3 tells nothing by which the copy could be compared with its source. */
  | { did: 'unproven'; message: string }
  | { did: Exclude<CopyTrouble, 'denied'>; message: string };

export interface CopyLimits {
  /** CopyObject's limit, bytes (source: Amazon S3 API). */
  largestBytes: number;
  partBytes: number;
}

export const COPY_LIMITS: CopyLimits = { largestBytes: 5 * 1024 ** 3, partBytes: 512 * 1024 ** 2 };

/** What S3 said of the object that it wrote. */
export interface Written {
  etag: string | undefined;
  crc64nvme: string | undefined;
  warnings: string[];
}

export interface PinnedCopy extends CopyRequest {
  source: S3Place;
  to: S3Place;
  /** As CopySource and CopySourceIfMatch. */
  pin: { CopySource: string; CopySourceIfMatch?: string };
  limits: CopyLimits;
}

interface SeenCopy {
  sizeBytes: number;
  etag: string;
  checksums: { crc64nvme?: string };
}

/** What copies work with. */
export interface CopyTools {
  client: S3Client;
  limits: CopyLimits;
  describe(url: string): Promise<SeenCopy | undefined>;
  /** Undefined when the object does not exist; throws with S3's error as the cause. */
  getTail(url: string, bytes: number): Promise<Buffer | undefined>;
}
