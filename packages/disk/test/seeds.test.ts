/** Point by point of docs/disks.md: the invariants of the daemon, over many stories. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { play } from './world/story.ts';
import { stories } from './world/stories.ts';

const SEEDS = Number(process.env['BATCHWELL_DISK_SEEDS'] ?? 1000);
const FROM = Number(process.env['BATCHWELL_DISK_FROM'] ?? 1);

it(`The invariants of the daemon hold in ${SEEDS} stories.`, async () => {
  await fc.assert(
    fc.asyncProperty(stories, async (story) => {
      expect((await play(story)).violations).toEqual([]);
    }),
    { numRuns: SEEDS, seed: FROM },
  );
}, 3_600_000);
