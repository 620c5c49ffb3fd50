/**
 * Access: every signed request is accepted. The signature itself is not verified, because there is
 * no secret to verify it with.
 */
import type { IncomingMessage } from 'node:http';
import { refuse, type Refusal } from './errors.ts';
import type { Target } from './route.ts';

/** The time of a presigned URL, `20260102T030405Z`, in epoch milliseconds. */
function parseAmzDate(text: string): number {
  return Date.parse(
    text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'),
  );
}

/** Why the request is refused: it has no signature, or its presigned URL has expired. */
export function checkAccess(
  { headers }: IncomingMessage,
  query: URLSearchParams,
  nowMs: number,
): Refusal | undefined {
  if (headers.authorization !== undefined) return undefined;
  if (query.has('Signature') && query.has('AWSAccessKeyId')) {
    return Number(query.get('Expires')) * 1000 < nowMs
      ? refuse('AccessDenied', 'Request has expired')
      : undefined;
  }
  if (!query.has('X-Amz-Signature') || !query.has('X-Amz-Credential'))
    return refuse('AccessDenied');
  const signedAtMs = parseAmzDate(query.get('X-Amz-Date') ?? '');
  const expiresSeconds = Number(query.get('X-Amz-Expires') ?? Number.NaN);
  if (Number.isNaN(signedAtMs) || Number.isNaN(expiresSeconds))
    return refuse(
      'AccessDenied',
      'X-Amz-Date and X-Amz-Expires must be given with a presigned URL',
    );
  return signedAtMs + expiresSeconds * 1000 < nowMs
    ? refuse('AccessDenied', 'Request has expired', { 'X-Amz-Expires': expiresSeconds })
    : undefined;
}

/**
 * Each request to a bucket whose owner makes the requester pay must agree to it, and each copy from
 * there. Source: S3 user guide, "Using Requester Pays buckets".
 */
export function checkPayer(
  { headers }: IncomingMessage,
  { bucketName, query }: Target,
  buckets: readonly string[],
): Refusal | undefined {
  if (buckets.length === 0 || headers['x-amz-request-payer'] === 'requester') return undefined;
  if (query.get('x-amz-request-payer') === 'requester') return undefined;
  const source = /^\/?([^/]+)\//.exec(String(headers['x-amz-copy-source'] ?? ''))?.[1];
  return buckets.some((bucket) => bucket === bucketName || bucket === source)
    ? refuse('AccessDenied')
    : undefined;
}
