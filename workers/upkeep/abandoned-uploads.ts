/** Copies in parts that a worker left behind when it died, and that no try will resume: S3 bills their parts. */
import { forgetAbandonedUpload, readAbandonedUploads } from '../../db/cache-uploads.ts';
import type { Runtime } from '../runtime.ts';

const MOST = 100;

/** One that cannot be ended now is tried again; it does not hold up the others. */
export async function endAbandonedUploads(runtime: Runtime): Promise<void> {
  const { database, objects, log, config } = runtime;
  // A worker that has just lost its task ends its own.
  const beforeMs = runtime.nowMs() - config.stallMs;
  const abandoned = await readAbandonedUploads(database.pool, { beforeMs, most: MOST });
  for (const upload of abandoned) {
    const { url, uploadId } = upload;
    try {
      await objects.abortUpload(url, uploadId === '' ? undefined : uploadId);
      await forgetAbandonedUpload(database.pool, upload);
      log.info({ url, uploadId }, 'abandoned-upload-ended');
    } catch (error) {
      log.warn({ url, uploadId, err: error }, 'abandoned-upload-not-ended');
    }
  }
}
