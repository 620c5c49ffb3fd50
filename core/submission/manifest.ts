/**
 * The manifest of a submission: for each index the script it runs and its own values, so that one
 * object serves 10,000 children and each reads only its part, in at most two ranged GETs.
 *
 * ```
 * header  16 bytes   "BWM2", count (u32), 8 bytes of zero
 * index   84 bytes × count:
 *                    "BWP2", its own index (u32), length of the values (u32), zero (u32),
 *                    offset of the values from the start of the object (u64), SHA-256 of the script (32 bytes),
 *                    nonce (12 bytes) and tag (16 bytes) of the sealed values
 * values  UTF-8 shell text, sealed, one after the other
 * ```
 * All numbers are big-endian. Each entry carries its own mark and number, so that a child that
 * reads only its entry still notices a manifest of another form, or an index that is not in it. The
 * values are sealed with the submission's secret, because they may hold the task's own secrets; the
 * tag proves the entry with them.
 */
import { NONCE_BYTES, PROOF_BYTES, seal, unseal } from './proof.ts';

const HEADER_MARK = 'BWM2';
const ENTRY_MARK = 'BWP2';
const HEADER_BYTES = 16;
/** What the tag proves beside the values. */
const HEAD_BYTES = 56;
const NONCE_AT = HEAD_BYTES;
const TAG_AT = NONCE_AT + NONCE_BYTES;
const ENTRY_BYTES = TAG_AT + PROOF_BYTES;

/** A first read of this many bytes holds header, index and values of about 160 ordinary tasks. */
const FIRST_READ_BYTES = 65_536;

export interface ManifestPart {
  /** Hex. */
  scriptSha256: string;
  /** As `renderValues` gives it. */
  values: string;
  /** Names the attempt that runs it, such as `task.number`. */
  attempt: string;
}

/** Both ends are counted, as in an HTTP Range. */
export interface ByteRange {
  start: number;
  end: number;
}

export interface ManifestEntry {
  scriptSha256: string;
  valuesOffset: number;
  valuesBytes: number;
  /** For `openValues`. */
  proof: { head: Buffer; nonce: Buffer; tag: Buffer };
}

/**
 * The same parts and secret give the same bytes.
 * @throws RangeError when a script's digest is not 64 hex digits
 */
export function encodeManifest(secret: Buffer, parts: readonly ManifestPart[]): Buffer {
  const sizes = parts.map((part) => Buffer.byteLength(part.values));
  const valuesStart = HEADER_BYTES + ENTRY_BYTES * parts.length;
  const manifest = Buffer.alloc(sizes.reduce((sum, bytes) => sum + bytes, valuesStart));

  manifest.write(HEADER_MARK, 0, 'latin1');
  manifest.writeUInt32BE(parts.length, 4);
  let offset = valuesStart;
  for (const [index, part] of parts.entries()) {
    const start = HEADER_BYTES + ENTRY_BYTES * index;
    const entry = manifest.subarray(start, start + ENTRY_BYTES);
    const bytes = sizes[index] ?? 0;
    writeHead(entry, { index, offset, bytes, scriptSha256: part.scriptSha256 });
    const sealed = seal(
      secret,
      { attempt: part.attempt, index },
      entry.subarray(0, HEAD_BYTES),
      Buffer.from(part.values),
    );
    sealed.nonce.copy(entry, NONCE_AT);
    sealed.tag.copy(entry, TAG_AT);
    sealed.bytes.copy(manifest, offset);
    offset += bytes;
  }
  return manifest;
}

function writeHead(
  entry: Buffer,
  head: { index: number; offset: number; bytes: number; scriptSha256: string },
): void {
  if (!/^[0-9a-f]{64}$/.test(head.scriptSha256))
    throw new RangeError(
      `Part ${head.index} of the manifest names its script by ${JSON.stringify(head.scriptSha256)}. ` +
        'A SHA-256 of 64 hex digits was expected.',
    );
  entry.write(ENTRY_MARK, 0, 'latin1');
  entry.writeUInt32BE(head.index, 4);
  entry.writeUInt32BE(head.bytes, 8);
  entry.writeBigUInt64BE(BigInt(head.offset), 16);
  entry.write(head.scriptSha256, 24, 'hex');
}

/** The range of the entry of this index. */
export function manifestIndexRange(index: number): ByteRange {
  const start = HEADER_BYTES + ENTRY_BYTES * index;
  return { start, end: start + ENTRY_BYTES - 1 };
}

/** What to read first: the object's head when it holds the entry, else the entry alone. */
export function firstReadRange(index: number): ByteRange {
  const entry = manifestIndexRange(index);
  return entry.end < FIRST_READ_BYTES ? { start: 0, end: FIRST_READ_BYTES - 1 } : entry;
}

/**
 * Reads one index's entry from the bytes of its `manifestIndexRange`.
 * @throws RangeError when they are not an entry of this form for this index.
 */
export function parseManifestEntry(bytes: Buffer, index: number): ManifestEntry {
  if (bytes.length !== ENTRY_BYTES)
    throw new RangeError(`The manifest ends before its entry for index ${index}.`);
  if (bytes.toString('latin1', 0, 4) !== ENTRY_MARK)
    throw new RangeError(
      `The manifest has no entry of form ${ENTRY_MARK} for index ${index}: it is shorter, or of another version.`,
    );
  const found = bytes.readUInt32BE(4);
  if (found !== index)
    throw new RangeError(`The manifest's entry for index ${index} says it is for ${found}.`);
  return {
    valuesBytes: bytes.readUInt32BE(8),
    valuesOffset: Number(bytes.readBigUInt64BE(16)),
    scriptSha256: bytes.toString('hex', 24, HEAD_BYTES),
    proof: {
      head: bytes.subarray(0, HEAD_BYTES),
      nonce: bytes.subarray(NONCE_AT, TAG_AT),
      tag: bytes.subarray(TAG_AT),
    },
  };
}

/**
 * The values of an entry, from the bytes of its `valuesRange`. Undefined when the fleet did not
 * write this entry with these values.
 */
export const openValues = (
  secret: Buffer,
  { proof: { head, nonce, tag } }: ManifestEntry,
  bytes: Buffer,
): Buffer | undefined => unseal(secret, head, { nonce, tag, bytes });

export const valuesRange = (entry: ManifestEntry): ByteRange | undefined =>
  entry.valuesBytes === 0
    ? undefined
    : { start: entry.valuesOffset, end: entry.valuesOffset + entry.valuesBytes - 1 };

/**
 * How many tasks the manifest holds, from its first 16 bytes. Undefined when it is not a manifest.
 */
export function manifestCount(head: Buffer): number | undefined {
  return head.length >= HEADER_BYTES && head.toString('latin1', 0, 4) === HEADER_MARK
    ? head.readUInt32BE(4)
    : undefined;
}
