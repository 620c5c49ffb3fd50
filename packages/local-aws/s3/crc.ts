/**
 * The cyclic redundancy checks that S3 stores, and their combination: the check of A‖B from those
 * of A and B, which gives a multipart object its FULL_OBJECT checksum without another read. Source:
 * RFC 3720 (CRC-32C), NVMe NVM Command Set 1.0, 5.2.1.3.4 (CRC-64/NVME), zlib's crc32_combine.
 */
import { crc32 } from 'node:zlib';

/** Bits of the check, most significant first, as S3 encodes them in base64. */
export interface RunningCrc {
  update(bytes: Uint8Array): void;
  digest(): Buffer;
}

const SLICES = 8;

/** Reflected polynomials, as used by the right-shifting form. */
const POLYNOMIALS = {
  CRC32: 0xedb88320n,
  CRC32C: 0x82f63b78n,
  CRC64NVME: 0x9a6c9329ac4bc9b5n,
} as const;
export type CrcName = keyof typeof POLYNOMIALS;
const WIDTHS: Record<CrcName, number> = { CRC32: 32, CRC32C: 32, CRC64NVME: 64 };

/**
 * Tables for eight bytes at a time ("slicing by 8"): entry [slice * 256 + byte], as halves of 32
 * bits because BigInt is some hundred times slower. A check of 32 bits uses `low` alone.
 */
function makeTables(name: CrcName): { low: Uint32Array; high: Uint32Array } {
  const polynomial = POLYNOMIALS[name];
  const low = new Uint32Array(SLICES * 256);
  const high = new Uint32Array(SLICES * 256);
  const first: bigint[] = [];
  for (let byte = 0; byte < 256; byte += 1) {
    let value = BigInt(byte);
    for (let bit = 0; bit < 8; bit += 1)
      value = value & 1n ? (value >> 1n) ^ polynomial : value >> 1n;
    first.push(value);
  }
  for (let byte = 0; byte < 256; byte += 1) {
    let value = BigInt(byte);
    for (let slice = 0; slice < SLICES; slice += 1) {
      value = (value >> 8n) ^ (first[Number(value & 0xffn)] ?? 0n);
      low[slice * 256 + byte] = Number(value & 0xffffffffn);
      high[slice * 256 + byte] = Number(value >> 32n);
    }
  }
  return { low, high };
}

let castagnoli: Uint32Array | undefined;
let nvme: { low: Uint32Array; high: Uint32Array } | undefined;

// In the loops below every index is inside its array by construction, so the cast is correct. `??
// 0` would add a branch to each of sixteen look-ups.
const at = (table: Uint8Array | Uint32Array, index: number) => table[index] as number;

function createCrc32c(): RunningCrc {
  castagnoli ??= makeTables('CRC32C').low;
  const table = castagnoli;
  let crc = 0xffffffff;
  return {
    update(bytes) {
      let value = crc;
      let i = 0;
      for (const end = bytes.length - 7; i < end; i += 8) {
        value ^=
          at(bytes, i) |
          (at(bytes, i + 1) << 8) |
          (at(bytes, i + 2) << 16) |
          (at(bytes, i + 3) << 24);
        value =
          at(table, 1792 + (value & 255)) ^
          at(table, 1536 + ((value >>> 8) & 255)) ^
          at(table, 1280 + ((value >>> 16) & 255)) ^
          at(table, 1024 + (value >>> 24)) ^
          at(table, 768 + at(bytes, i + 4)) ^
          at(table, 512 + at(bytes, i + 5)) ^
          at(table, 256 + at(bytes, i + 6)) ^
          at(table, at(bytes, i + 7));
      }
      for (; i < bytes.length; i += 1)
        value = at(table, (value ^ at(bytes, i)) & 255) ^ (value >>> 8);
      crc = value;
    },
    digest() {
      const result = Buffer.alloc(4);
      result.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
      return result;
    },
  };
}

interface Halves<T> {
  low: T;
  high: T;
}

/** Advances the check over the bytes. The halves are local in the loop: a field would be slower. */
function updateCrc64(
  { low, high }: Halves<Uint32Array>,
  crc: Halves<number>,
  bytes: Uint8Array,
): void {
  let lo = crc.low;
  let hi = crc.high;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    lo ^=
      at(bytes, i) | (at(bytes, i + 1) << 8) | (at(bytes, i + 2) << 16) | (at(bytes, i + 3) << 24);
    hi ^=
      at(bytes, i + 4) |
      (at(bytes, i + 5) << 8) |
      (at(bytes, i + 6) << 16) |
      (at(bytes, i + 7) << 24);
    const a = 1792 + (lo & 255);
    const b = 1536 + ((lo >>> 8) & 255);
    const c = 1280 + ((lo >>> 16) & 255);
    const d = 1024 + (lo >>> 24);
    const e = 768 + (hi & 255);
    const f = 512 + ((hi >>> 8) & 255);
    const g = 256 + ((hi >>> 16) & 255);
    const h = hi >>> 24;
    lo =
      at(low, a) ^
      at(low, b) ^
      at(low, c) ^
      at(low, d) ^
      at(low, e) ^
      at(low, f) ^
      at(low, g) ^
      at(low, h);
    hi =
      at(high, a) ^
      at(high, b) ^
      at(high, c) ^
      at(high, d) ^
      at(high, e) ^
      at(high, f) ^
      at(high, g) ^
      at(high, h);
  }
  for (; i < bytes.length; i += 1) {
    const index = (lo ^ at(bytes, i)) & 255;
    lo = at(low, index) ^ ((lo >>> 8) | (hi << 24));
    hi = at(high, index) ^ (hi >>> 8);
  }
  crc.low = lo;
  crc.high = hi;
}

function createCrc64Nvme(): RunningCrc {
  nvme ??= makeTables('CRC64NVME');
  const tables = nvme;
  const crc = { low: 0xffffffff, high: 0xffffffff };
  return {
    update: (bytes) => updateCrc64(tables, crc, bytes),
    digest() {
      const result = Buffer.alloc(8);
      result.writeUInt32BE((crc.high ^ 0xffffffff) >>> 0, 0);
      result.writeUInt32BE((crc.low ^ 0xffffffff) >>> 0, 4);
      return result;
    },
  };
}

function createCrc32(): RunningCrc {
  let crc = 0;
  return {
    update(bytes) {
      crc = crc32(bytes, crc);
    },
    digest() {
      const result = Buffer.alloc(4);
      result.writeUInt32BE(crc);
      return result;
    },
  };
}

/**
 * CRC32 is zlib's native one. The other two use tables in JavaScript: Node has no native form.
 */
export function createCrc(name: CrcName): RunningCrc {
  if (name === 'CRC32') return createCrc32();
  return name === 'CRC32C' ? createCrc32c() : createCrc64Nvme();
}

/** a·b modulo the polynomial, all reflected: the coefficient of x^0 is the most significant bit. */
function multiply(name: CrcName, a: bigint, b: bigint): bigint {
  const polynomial = POLYNOMIALS[name];
  let product = 0n;
  let factor = b;
  for (let bit = 1n << BigInt(WIDTHS[name] - 1); bit > 0n; bit >>= 1n) {
    if (a & bit) product ^= factor;
    factor = factor & 1n ? (factor >> 1n) ^ polynomial : factor >> 1n;
  }
  return product;
}

/** x^(8·bytes) modulo the polynomial: what `bytes` further bytes do to a check. */
function shiftOf(name: CrcName, bytes: number): bigint {
  const top = BigInt(WIDTHS[name] - 1);
  let power = 1n << (top - 1n);
  let result = 1n << top;
  for (let bits = BigInt(bytes) * 8n; bits > 0n; bits >>= 1n) {
    if (bits & 1n) result = multiply(name, power, result);
    power = multiply(name, power, power);
  }
  return result;
}

/**
 * The check of the concatenation. Most parts of a multipart upload have the same length, so its
 * shift is computed once.
 */
export function combineCrcs(
  name: CrcName,
  parts: readonly { digest: Buffer; bytes: number }[],
): Buffer {
  const shifts = new Map<number, bigint>();
  let crc = 0n;
  for (const { digest, bytes } of parts) {
    const shift = shifts.get(bytes) ?? shiftOf(name, bytes);
    shifts.set(bytes, shift);
    crc = multiply(name, shift, crc) ^ BigInt(`0x${digest.toString('hex')}`);
  }
  return Buffer.from(crc.toString(16).padStart(WIDTHS[name] / 4, '0'), 'hex');
}
