/**
 * The checksums of S3: their names on the wire, their running form, and how parts make up an
 * object's.
 */
import { createHash } from 'node:crypto';
import { combineCrcs, createCrc } from './crc.ts';

export const CHECKSUM_ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

/**
 * As stored with an object. `value` is base64, followed by `-<parts>` when the type is COMPOSITE.
 */
export interface Checksum {
  algorithm: ChecksumAlgorithm;
  type: ChecksumType;
  value: string;
}

const DIGEST_BYTES: Record<ChecksumAlgorithm, number> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
};

/** The algorithm, ignoring case, or undefined. */
export function parseAlgorithm(name: string): ChecksumAlgorithm | undefined {
  return CHECKSUM_ALGORITHMS.find((algorithm) => algorithm === name.toUpperCase());
}

/** `x-amz-checksum-crc64nvme` and its like; in XML it is `ChecksumCRC64NVME`. */
export const checksumHeader = (algorithm: ChecksumAlgorithm) =>
  `x-amz-checksum-${algorithm.toLowerCase()}`;
export const checksumElement = (algorithm: ChecksumAlgorithm) => `Checksum${algorithm}`;

/** True when the text is base64 of a digest of this algorithm's length. */
export function isDigest(algorithm: ChecksumAlgorithm, base64: string): boolean {
  return isBase64Of(DIGEST_BYTES[algorithm], base64);
}

export function isBase64Of(bytes: number, base64: string): boolean {
  const decoded = Buffer.from(base64, 'base64');
  return decoded.length === bytes && decoded.toString('base64') === base64;
}

export interface RunningDigest {
  update(bytes: Uint8Array): void;
  digest(): Buffer;
}

export function createDigest(algorithm: ChecksumAlgorithm): RunningDigest {
  if (algorithm === 'SHA1' || algorithm === 'SHA256') return createHash(algorithm);
  return createCrc(algorithm);
}

/** S3 refuses CRC64NVME with COMPOSITE and SHAs with FULL_OBJECT. */
export function canBe(algorithm: ChecksumAlgorithm, type: ChecksumType): boolean {
  if (type === 'COMPOSITE') return algorithm !== 'CRC64NVME';
  return algorithm !== 'SHA1' && algorithm !== 'SHA256';
}

/** S3's default when CreateMultipartUpload names only the algorithm. */
export const defaultType = (algorithm: ChecksumAlgorithm): ChecksumType =>
  algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE';

/**
 * The object's checksum from those of its parts (base64), in part order. FULL_OBJECT needs a CRC.
 */
export function joinChecksums(
  algorithm: ChecksumAlgorithm,
  type: ChecksumType,
  parts: readonly { value: string; bytes: number }[],
): Checksum {
  const digests = parts.map(({ value, bytes }) => ({
    digest: Buffer.from(value, 'base64'),
    bytes,
  }));
  if (type === 'FULL_OBJECT' && algorithm !== 'SHA1' && algorithm !== 'SHA256') {
    return { algorithm, type, value: combineCrcs(algorithm, digests).toString('base64') };
  }
  const running = createDigest(algorithm);
  for (const { digest } of digests) running.update(digest);
  return {
    algorithm,
    type: 'COMPOSITE',
    value: `${running.digest().toString('base64')}-${parts.length}`,
  };
}
