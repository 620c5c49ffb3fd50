/** Tells that the container runs: an empty object, whose key says it all (core/result/start-key.ts). */
import type { S3Client } from '@aws-sdk/client-s3';
import { inSubmission } from '../core/files/s3-layout.ts';
import { encodeStartKey } from '../core/result/start-key.ts';
import type { Log } from './log.ts';
import { persist, reasonOf, writeBytes } from './s3.ts';
import type { Identity } from './session.ts';

/** The task does not wait for it, and a task that ends before it has no need of it. */
export function tellStart(s3: S3Client, identity: Identity, log: Log, startedMs: number): void {
  const { bucket, key } = identity.submission;
  const place = {
    bucket,
    key: key + inSubmission.results + encodeStartKey(identity, startedMs),
  };
  persist(() => writeBytes(s3, place, '', 'text/plain')).catch((error: unknown) =>
    log('start_not_written', { reason: reasonOf(error) }),
  );
}
