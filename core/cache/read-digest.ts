/**
 * Proof that a run read what its fingerprint was made of. The fleet lists a task's inputs when it computes the
 * fingerprint; the stager notes what S3 said of each object as it read it. Both digest what they saw in the same
 * form, and an entry is written only when the digests are equal. Times are no part of it: an object that was
 * overwritten within a second, or changed and changed back, has another ETag in between or the same bytes.
 */
import { createHash } from 'node:crypto';

export interface ReadObject {
  /** '' for a FILE; for a DIRECTORY the key below its prefix. */
  name: string;
  /** Without quotes. */
  etag: string;
  sizeBytes: number;
}

/**
 * Per declared input: the objects that were read for it; null for what is not read from S3
 * (content, http, shared folders).
 */
export type ReadInput = readonly ReadObject[] | null;

const byName = (a: ReadObject, b: ReadObject): number =>
  Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));

/** Hex, 16 bytes. In the order of the task's declared inputs; the members of a directory in any order. */
export function readDigest(inputs: readonly ReadInput[]): string {
  const hash = createHash('sha256');
  for (const input of inputs) {
    if (input === null) hash.update('-\n');
    else {
      hash.update(`${input.length}\n`);
      for (const { name, etag, sizeBytes } of input.toSorted(byName))
        hash.update(`${JSON.stringify([name, etag, sizeBytes])}\n`);
    }
  }
  return hash.digest('hex').slice(0, 32);
}

export interface SummedMember {
  name: string;
  sizeBytes: number;
  /** Hex, 8 bytes. */
  crc64nvme: string;
}

/** Of a directory whose members' CRC64NVMEs are all known. Hex, 16 bytes. */
export function directorySum(members: readonly SummedMember[]): string {
  const hash = createHash('sha256');
  const sorted = members.toSorted((a, b) =>
    Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)),
  );
  for (const { name, sizeBytes, crc64nvme } of sorted)
    hash.update(`${JSON.stringify([name, crc64nvme, sizeBytes])}\n`);
  return hash.digest('hex').slice(0, 32);
}

/** Hex, 16 bytes, over what each declared input holds (see `InputsRead.sums`); undefined when one is not known. */
export function sumsDigest(
  inputs: readonly ReadInput[],
  sums: readonly (string | null)[],
): string | undefined {
  const hash = createHash('sha256');
  for (const [position, input] of inputs.entries()) {
    const sum = sums[position] ?? null;
    if (input !== null && sum === null) return undefined;
    hash.update(`${input === null ? '-' : sum}\n`);
  }
  return hash.digest('hex').slice(0, 32);
}
