/** Errors of S3: which call failed, for which object, and whether a retry can help. */
import { S3UrlError } from './s3-place.ts';

export const statusOf = (error: unknown): number =>
  (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode ??
  0;

/**
 * Whether a retry of an ObjectStore's call would fail in the same way: access is denied, or the
 * name is not valid. Everything else (no connection, 5xx, throttling) can be transient.
 */
export function isPermanent(error: unknown): boolean {
  if (error instanceof S3UrlError) return true;
  const { cause } = error as { cause?: unknown };
  const status = statusOf(cause);
  if (status === 0) return isBadName(cause);
  return (
    status >= 300 &&
    status < 500 &&
    ![408, 429].includes(status) &&
    !/RequestTimeout|SlowDown|Expired|RequestTimeTooSkewed/.test((cause as Error).name)
  );
}

/** What the SDK says about a bucket name before it sends a request. */
const NAME_ERRORS = /[Bb]ucket name|Invalid (?:ARN|region)|hostname|valid host label/;

/** Whether the SDK refuses the URL itself. */
export const isBadName = (error: unknown): boolean =>
  error instanceof S3UrlError || (statusOf(error) === 0 && NAME_ERRORS.test(String(error)));

export function failedOn(what: string, which: string, cause: unknown): Error {
  if (cause instanceof S3UrlError) return cause;
  const { name, message } = cause as Error;
  return new Error(`S3 could not ${what} ${which}: ${name}: ${message}`, { cause });
}
