/**
 * What a file holds, told without reading it: its identity. Equal identities mean equal bytes. Different ones may
 * still be of equal bytes, which only costs a cache miss. No clock has a part in it.
 *
 * The strong form is the CRC64NVME (else the SHA-256) of the whole object with its size. It survives copies and does
 * not depend on how the object was uploaded. The plain form is an ETag of 32 hex digits with the size, which comes
 * with a listing: for an object written in one piece without KMS it is the MD5, and under KMS it is drawn at each
 * write, which costs misses and never a wrong hit. Nothing else identifies: a CRC32 is too short, a composite
 * checksum and a multipart ETag depend on where the parts were cut, and some gateways give every object one ETag.
 */

/** A text such as `crc64nvme 9f…(16 hex) 1024` or `etag d4…(32 hex) 1024`. */
export type FileIdentity = string;

export interface WholeChecksums {
  /** base64, of the whole object */
  crc64nvme?: string;
  sha256?: string;
}

const CRC64_HEX = /^[0-9a-f]{16}$/;
const PLAIN_ETAG = /^[0-9a-f]{32}$/;

const hexOf = (base64: string): string => Buffer.from(base64, 'base64').toString('hex');

/** @param crc64nvmeHex 16 hex digits */
export const crcIdentity = (crc64nvmeHex: string, sizeBytes: number): FileIdentity =>
  `crc64nvme ${crc64nvmeHex} ${sizeBytes}`;

/** From checksums of the whole object (type FULL_OBJECT); undefined when none is strong enough. */
export function strongIdentity(
  { crc64nvme, sha256 }: WholeChecksums,
  sizeBytes: number,
  prefersSha256 = false,
): FileIdentity | undefined {
  if (prefersSha256 && sha256 !== undefined) return `sha256 ${hexOf(sha256)} ${sizeBytes}`;
  if (crc64nvme !== undefined && CRC64_HEX.test(hexOf(crc64nvme)))
    return crcIdentity(hexOf(crc64nvme), sizeBytes);
  return sha256 === undefined ? undefined : `sha256 ${hexOf(sha256)} ${sizeBytes}`;
}

/** From a listing alone; undefined for an ETag that says nothing of the bytes. */
export const etagIdentity = (etag: string, sizeBytes: number): FileIdentity | undefined =>
  PLAIN_ETAG.test(etag) ? `etag ${etag} ${sizeBytes}` : undefined;

export const isStrong = (identity: FileIdentity): boolean => !identity.startsWith('etag ');
