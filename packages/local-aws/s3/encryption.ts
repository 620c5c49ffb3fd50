/**
 * What encryption shows to clients: its header, and ETags. Nothing is encrypted. In a bucket with
 * SSE-KMS, AWS draws the ETag of an object at each write: it is no MD5, and the same bytes get
 * another one.
 */
import { randomBytes } from 'node:crypto';
import type { Call } from './call.ts';

const HEADER = 'x-amz-server-side-encryption';

const isKms = ({ settings, bucketName }: Call): boolean => settings.kmsBuckets.includes(bucketName);

export const encryptionHeader = (call: Call): Record<string, string> => ({
  [HEADER]: isKms(call) ? 'aws:kms' : 'AES256',
});

/** @param plain the ETag without KMS: an MD5 in hex, of a multipart object with `-` and the number of its parts */
export const writtenEtag = (call: Call, plain: string): string =>
  isKms(call) ? randomBytes(16).toString('hex') + plain.slice(32) : plain;
