/**
 * Which buckets' ETags tell contents apart. Amazon S3's do. Some gateways give every object one ETag, or none: an
 * object without an ETag, or an ETag that is seen with two sizes, gives such a bucket away, and from then on its ETags
 * count for nothing in this process.
 */

export interface EtagTrust {
  trusts(bucket: string): boolean;
  /** Notes what a listing or a HEAD showed; '' for an object without an ETag. */
  note(bucket: string, etag: string, sizeBytes: number): void;
  /** From now on no bucket is trusted. */
  distrustAll(): void;
}

export interface EtagTrustOptions {
  /** Buckets whose ETags are not to be trusted; `*` for all. */
  distrusted?: readonly string[];
  /** Called once per bucket that gives itself away. */
  onDistrust?(bucket: string, etag: string): void;
}

/** ETags that are remembered per bucket: a constant one comes up at once. */
const REMEMBERED = 1_000;

export function createEtagTrust({ distrusted = [], onDistrust }: EtagTrustOptions): EtagTrust {
  const refused = new Set(distrusted);
  const sizes = new Map<string, Map<string, number>>();
  const trusts = (bucket: string): boolean => !refused.has('*') && !refused.has(bucket);
  return {
    trusts,
    note(bucket, etag, sizeBytes) {
      if (!trusts(bucket)) return;
      const distrust = (): void => {
        refused.add(bucket);
        sizes.delete(bucket);
        onDistrust?.(bucket, etag);
      };
      if (etag === '') return distrust();
      const known = sizes.get(bucket) ?? new Map<string, number>();
      if (!sizes.has(bucket)) sizes.set(bucket, known);
      const before = known.get(etag);
      if (before !== undefined && before !== sizeBytes) distrust();
      else if (known.size < REMEMBERED) known.set(etag, sizeBytes);
    },
    distrustAll: () => void refused.add('*'),
  };
}
