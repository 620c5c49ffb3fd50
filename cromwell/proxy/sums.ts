/** CRC64NVME of files on the mount. A file is read once, and again only after it has changed. */
import type { BigIntStats } from 'node:fs';
import { forgetOldest } from '../../core/forget-oldest.ts';
import { digestFile, inBase64 } from '../../stager/digest.ts';
import { statOf } from './mount.ts';

/**
 * Differs once a file was written again. Unlike its time of modification, its time of change cannot
 * be set.
 */
export const markOf = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  `${ino} ${size} ${mtimeNs} ${ctimeNs}`;

/** Some file systems keep whole seconds: a file that is written twice within one looks the same. */
const STILL_FOR_MS = 2500;
/** About 200 bytes each. */
const MOST_SUMS = 100_000;

export interface Sums {
  /** Base64. */
  of(path: string): Promise<string>;
  /** Notes that the file with these facts has this sum. `fromMs` is when reading began. */
  learn(path: string, facts: BigIntStats, read: { sum: string; fromMs: number }): void;
}

/** A reference of 100 GB is an input of every call of a scatter, and takes minutes to read. */
export function rememberSums(
  nowMs: () => number,
  readSum = (path: string) => digestFile(path, 'CRC64NVME'),
): Sums {
  const sums = new Map<string, { mark: string; sum: string }>();
  const learn: Sums['learn'] = (path, facts, { sum, fromMs }) => {
    sums.delete(path);
    if (fromMs - Number(facts.ctimeMs) <= STILL_FOR_MS) return;
    sums.set(path, { mark: markOf(facts), sum });
    forgetOldest(sums, MOST_SUMS);
  };
  return {
    learn,
    async of(path) {
      const facts = await statOf(path);
      const known = sums.get(path);
      if (facts && known?.mark === markOf(facts)) return known.sum;
      const fromMs = nowMs();
      const sum = inBase64(await readSum(path));
      if (facts) learn(path, facts, { sum, fromMs });
      return sum;
    },
  };
}
