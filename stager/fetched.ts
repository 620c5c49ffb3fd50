/** What fetching an input takes, and what it gives. */
import type { S3Client } from '@aws-sdk/client-s3';
import type { ReadInput } from '../core/cache/read-digest.ts';
import type { Target } from './body.ts';
import type { SharedFolders } from './shared-folders.ts';

/** What fetching an input needs besides the input. */
export interface Means {
  s3: S3Client;
  shared: SharedFolders;
  target: Target;
}

/**
 * The state of a fetched file on disk. An output with the same URL and state is not written again.
 */
export interface FetchedFile {
  url: string;
  path: string;
  sizeBytes: number;
  /** Of what was fetched from S3, without quotes. */
  etag?: string;
  /** base64; of what was fetched from S3. */
  crc64nvme?: string;
}

export interface Fetched {
  file?: FetchedFile;
  /** The objects that were read; null where nothing was read from S3. */
  read: ReadInput;
  /** What they hold, hex: see `InputsRead.sums`. */
  sum: string | null;
}

export const NOT_FROM_S3: Fetched = { read: null, sum: null };

export const hexOf = (base64: string): string => Buffer.from(base64, 'base64').toString('hex');

/** A role may be allowed to read the object and not to look at others. */
export const isNotTold = (): boolean => false;
