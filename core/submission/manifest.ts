/**
 * The manifest of a submission: for each index the script it runs and its own values, so that one
 * object serves 10,000 children and each reads only its part, in at most two ranged GETs.
 *
 * ```
 * header  16 bytes   "BWM1", count (u32), 8 bytes of zero
 * index   56 bytes × count:
 *                    "BWP1", its own index (u32), length of the values (u32), zero (u32),
 *                    offset of the values from the start of the object (u64), SHA-256 of the script (32 bytes)
 * values  UTF-8 shell text, one after the other
 * ```
 * All numbers are big-endian. Each entry carries its own mark and number, so that a child that
 * reads only its entry still notices a manifest of another form, or an index that is not in it.
 */

const HEADER_MARK = 'BWM1';
const ENTRY_MARK = 'BWP1';
const HEADER_BYTES = 16;
const ENTRY_BYTES = 56;

/** A first read of this many bytes holds header, index and values of about 180 ordinary tasks. */
const FIRST_READ_BYTES = 65_536;

export interface ManifestPart {
  /** Hex. */
  scriptSha256: string;
  /** As `renderValues` gives it. */
  values: string;
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
}

/** @throws RangeError when a script's digest is not 64 hex digits. */
export function encodeManifest(parts: readonly ManifestPart[]): Buffer {
  const sizes = parts.map((part) => Buffer.byteLength(part.values));
  const valuesStart = HEADER_BYTES + ENTRY_BYTES * parts.length;
  const manifest = Buffer.alloc(sizes.reduce((sum, bytes) => sum + bytes, valuesStart));

  manifest.write(HEADER_MARK, 0, 'latin1');
  manifest.writeUInt32BE(parts.length, 4);
  let offset = valuesStart;
  for (const [index, part] of parts.entries()) {
    const entry = HEADER_BYTES + ENTRY_BYTES * index;
    const bytes = sizes[index] ?? 0;
    manifest.write(ENTRY_MARK, entry, 'latin1');
    manifest.writeUInt32BE(index, entry + 4);
    manifest.writeUInt32BE(bytes, entry + 8);
    manifest.writeBigUInt64BE(BigInt(offset), entry + 16);
    if (!/^[0-9a-f]{64}$/.test(part.scriptSha256))
      throw new RangeError(
        `Part ${index} of the manifest names its script by ${JSON.stringify(part.scriptSha256)}. ` +
          'A SHA-256 of 64 hex digits was expected.',
      );
    manifest.write(part.scriptSha256, entry + 24, 'hex');
    manifest.write(part.values, offset, 'utf8');
    offset += bytes;
  }
  return manifest;
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
    scriptSha256: bytes.toString('hex', 24, 56),
  };
}

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
