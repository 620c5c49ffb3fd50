/** Buckets whose owner makes the requester pay: S3 denies each request that does not agree to it. */

/** For the fleet and, in the environment of its jobs, for the stager. */
export const REQUESTER_PAYS_VARIABLE = 'BATCHWELL_REQUESTER_PAYS';

export const PAYER_HEADER = { 'x-amz-request-payer': 'requester' } as const;

/** The names in the variable's value. */
export const readPayingBuckets = (given: string | undefined): string[] =>
  (given ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);

/** Of a request to S3, as the SDK takes it. */
interface Touched {
  Bucket?: unknown;
  /** `bucket/key`, encoded. */
  CopySource?: unknown;
}

/**
 * Whether the requester agrees to pay for this request.
 * @param buckets by name; `*` stands for all
 */
export function paysFor(buckets: readonly string[], input: unknown): boolean {
  if (buckets.includes('*')) return true;
  if (typeof input !== 'object' || input === null) return false;
  const { Bucket: bucket, CopySource: source }: Touched = input;
  const from = typeof source === 'string' ? /^\/?([^/]+)\//.exec(source)?.[1] : undefined;
  return buckets.some((name) => name === bucket || name === from);
}
