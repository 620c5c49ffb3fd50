/** An input of a fingerprint as it is stored: short, because there is one for every input of every cached task. */
import type { Components } from './fingerprint.ts';

/**
 * [its component, what it held, size in bytes, when it was last modified (epoch ms), 1 where its component is made of
 * a text's meaning and not of the object's bytes]. Size and time are for people who read explanations.
 */
export type StoredInput = readonly [
  component: string,
  value: string,
  sizeBytes: number,
  modifiedMs: number,
  isFixed: 0 | 1,
];

/** As `fingerprintFrom` takes them. */
export const componentsOf = (inputs: readonly StoredInput[]): Components =>
  Object.fromEntries(inputs.map(([component, value]) => [component, value]));

/**
 * The same with what a run learned of its inputs as it read them: by position, the CRC64NVME of a file (16 hex digits)
 * or the sum of a directory (32). What is made of a text's meaning stays, and a SHA-256 where it decides
 * what is shared.
 */
export function withSums(
  inputs: readonly StoredInput[],
  sums: readonly (string | null)[],
  keepsSha256 = false,
): StoredInput[] {
  return inputs.map((input, position) => {
    const [component, value, sizeBytes, modifiedMs, isFixed] = input;
    const sum = sums[position] ?? null;
    if (isFixed === 1 || sum === null) return input;
    if (keepsSha256 && value.startsWith('FILE sha256 ')) return input;
    const type = value.slice(0, value.indexOf(' '));
    const strong = type === 'DIRECTORY' ? `directory ${sum}` : `crc64nvme ${sum} ${sizeBytes}`;
    return [component, `${type} ${strong}`, sizeBytes, modifiedMs, isFixed];
  });
}
