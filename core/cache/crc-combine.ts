/**
 * The CRC of two byte strings joined, from their CRCs and the length of the second. So the parts of
 * a large object can be checksummed in parallel, and the checksum of the whole costs no second
 * read.
 */

interface CrcKind {
  bits: bigint;
  /** Reflected: the highest power of x is the lowest bit. */
  polynomial: bigint;
}

/** The CRCs that S3 keeps for whole objects. */
const crcKinds = {
  CRC64NVME: { bits: 64n, polynomial: 0x9a6c9329ac4bc9b5n },
  CRC32: { bits: 32n, polynomial: 0xedb88320n },
  CRC32C: { bits: 32n, polynomial: 0x82f63b78n },
} as const satisfies Record<string, CrcKind>;

export type CrcName = keyof typeof crcKinds;

/** a × b modulo the polynomial, over GF(2). */
function multiply({ bits, polynomial }: CrcKind, a: bigint, b: bigint): bigint {
  let product = 0n;
  let factor = b;
  for (let bit = 1n << (bits - 1n); bit > 0n; bit >>= 1n) {
    if (a & bit) product ^= factor;
    factor = factor & 1n ? (factor >> 1n) ^ polynomial : factor >> 1n;
  }
  return product;
}

/** x to the power of 8 × bytes. */
function shiftBy(kind: CrcKind, bytes: number): bigint {
  let power = 1n << (kind.bits - 1n);
  let square = 1n << (kind.bits - 9n);
  for (let left = bytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = multiply(kind, square, power);
    square = multiply(kind, square, square);
  }
  return power;
}

const numberOf = (sum: Uint8Array): bigint => BigInt(`0x${Buffer.from(sum).toString('hex')}`);

/** @param secondBytes length of what the second CRC covers */
export function combineCrc(
  name: CrcName,
  first: Uint8Array,
  second: Uint8Array,
  secondBytes: number,
): Uint8Array {
  const kind = crcKinds[name];
  const combined = multiply(kind, shiftBy(kind, secondBytes), numberOf(first)) ^ numberOf(second);
  return Buffer.from(combined.toString(16).padStart(Number(kind.bits / 4n), '0'), 'hex');
}
