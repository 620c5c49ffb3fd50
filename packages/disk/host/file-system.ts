/** How full a file system is. */
import { statfsSync } from 'node:fs';
import type { FileSystem } from '../rules/facts.ts';

export function fileSystemAt(path: string): FileSystem {
  const { bsize, blocks, bavail, files, ffree } = statfsSync(path);
  return {
    sizeBytes: blocks * bsize,
    freeBytes: bavail * bsize,
    inodes: files,
    freeInodes: ffree,
  };
}
