/** CRC64NVME of files on the mount, read once as long as they stay as they are. */
import type { BigIntStats } from 'node:fs';
import { digestFile, inBase64 } from '../../stager/digest.ts';
import { statOf } from './mount.ts';

/** Differs once a file was written again: its time of change, unlike that of modification, nobody can set. */
export const markOf = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string => `${ino} ${size} ${mtimeNs} ${ctimeNs}`;

/** Some file systems give whole seconds: a file may be written twice within one, and look the same. */
const STILL_FOR_MS = 2500;
/** Some 200 bytes each. */
const MOST_SUMS = 100_000;

/** A reference of 100 GB is an input of every call of a scatter, and takes minutes to read. */
export function rememberSums(nowMs: () => number, readSum = (path: string) => digestFile(path, 'CRC64NVME')): (path: string) => Promise<string> {
  const sums = new Map<string, { mark: string; sum: string }>();
  return async (path) => {
    const facts = await statOf(path);
    const mark = facts && markOf(facts);
    const known = sums.get(path);
    if (known && known.mark === mark) return known.sum;
    const wasStill = facts !== undefined && nowMs() - Number(facts.ctimeMs) > STILL_FOR_MS;
    const sum = inBase64(await readSum(path));
    sums.delete(path);
    if (mark !== undefined && wasStill) sums.set(path, { mark, sum });
    const [oldest] = sums.keys();
    if (oldest !== undefined && sums.size > MOST_SUMS) sums.delete(oldest);
    return sum;
  };
}
