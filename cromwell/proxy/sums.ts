/** CRC64NVME of files on the mount, read once as long as they stay as they are. */
import type { BigIntStats } from 'node:fs';
import { forgetOldest } from '../../core/forget-oldest.ts';
import { digestFile, inBase64 } from '../../stager/digest.ts';
import { statOf } from './mount.ts';

/** Differs once a file was written again: its time of change, unlike that of modification, nobody can set. */
export const markOf = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  `${ino} ${size} ${mtimeNs} ${ctimeNs}`;

/** Some file systems give whole seconds: a file may be written twice within one, and look the same. */
const STILL_FOR_MS = 2500;
/** Some 200 bytes each. */
const MOST_SUMS = 100_000;

export interface Sums {
  /** Base64. */
  of(path: string): Promise<string>;
  /** That the file, as these facts tell of it, has this sum: read from then on. */
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
