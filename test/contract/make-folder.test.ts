import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeFolder } from '../../stager/make-folder.ts';

test('folders that are made at once below missing ones are all made', async () => {
  const root = await mkdtemp(join(tmpdir(), 'make-folder-'));
  try {
    for (let round = 0; round < 200; round += 1) {
      const above = join(root, String(round), 'a/b/c');
      const made = await Promise.allSettled(
        ['x/y', 'x/z', 'v', 'x/y/w', '.'].map((path) => makeFolder(join(above, path))),
      );
      expect(
        made.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : [])),
      ).toEqual([]);
    }
  } finally {
    await rm(root, { recursive: true });
  }
});
