/** Before the stages of a process start: whether the ETags of its S3 say what objects hold. */
import { probeEtags } from '../aws/etag-probe.ts';
import { ETAG_PROBE } from '../core/files/s3-layout.ts';
import type { Runtime } from './runtime.ts';

/** An S3 that does not answer must not keep the stages from starting: they have their own retries. */
const PATIENCE_MS = 5_000;

/** Distrusts every ETag where they do not tell contents apart: then only checksums count. */
export async function requireDistinctEtags(runtime: Runtime): Promise<void> {
  const { log, metrics, objects, identities } = runtime;
  try {
    const verdict = await inTime(probeEtags(objects, runtime.workUrl(ETAG_PROBE)));
    if (verdict === 'distinct') return;
    identities.etags.distrustAll();
    metrics.etagsDistrusted.set(1);
    log.warn({ verdict, bucket: runtime.config.bucket }, 'etags-tell-nothing');
  } catch (error) {
    log.warn({ err: error }, 'etag-probe-failed');
  }
}

async function inTime<T>(asked: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`S3 did not answer within ${PATIENCE_MS} ms.`)),
    PATIENCE_MS,
  );
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}
