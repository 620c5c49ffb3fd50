/** When the credentials of a client end: the SDK renews those of a role, and nobody those of a shell. */
import type { S3Client } from '@aws-sdk/client-s3';
import type { Metrics } from '../telemetry/metrics.ts';

/** The SDK notes where credentials are from, and its types do not say so. */
interface Identity {
  expiration?: Date;
  $source?: { CREDENTIALS_ENV_VARS?: string; CREDENTIALS_PROFILE?: string };
}

const LOOK_MS = 30_000;
const FIRST_LOOK_MS = 2000;

/** Keeps the metric. The returned function ends it. */
export function watchCredentials(
  { config }: Pick<S3Client, 'config'>,
  metrics: Metrics,
): () => void {
  const look = async (): Promise<void> => {
    const { expiration, $source }: Identity = await config.credentials();
    const isFixed =
      $source?.CREDENTIALS_ENV_VARS !== undefined || $source?.CREDENTIALS_PROFILE !== undefined;
    const endSeconds = expiration ? expiration.getTime() / 1000 : 0;
    metrics.credentialsEnd.set({ renewed: isFixed ? 'no' : 'yes' }, endSeconds);
  };
  // Without credentials every request says so.
  const tryLook = (): void => void look().catch(() => undefined);
  const first = setTimeout(tryLook, FIRST_LOOK_MS).unref();
  const timer = setInterval(tryLook, LOOK_MS).unref();
  return () => {
    clearTimeout(first);
    clearInterval(timer);
  };
}
