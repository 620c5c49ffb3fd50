/** Point by point of docs/disks.md: the invariants of the daemon, over many stories. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { play, type Story } from './world/story.ts';
import { stories } from './world/stories.ts';

/** Found by `npm run test:disk-seeds`, part of seed 4. */
const LOST: Story = {
  seed: 2_146_696_992,
  firstGiB: 100,
  maxGiB: 1000,
  hasCgroup: false,
  hasForeignDisk: false,
  writers: [{ fromMs: 28_513, forMs: 118_488, bytesPerSecond: 695_205_888 }],
  commandsFail: 0,
  faults: {
    badDescribes: 0.573_245_194_507_762_9,
    appearsWithinMs: 500,
    takenNames: ['/dev/xvdba'],
  },
  crashes: [
    { at: 9, when: 'before', by: 'power', losesJournal: false },
    { at: 13, when: 'before', by: 'kill', losesJournal: true },
  ],
};

it('A volume whose journal was lost, and that EC2 did not name, is deleted by the next host.', async () => {
  const { violations, events } = await play(LOST);
  expect(violations).toEqual([]);
  expect(events.findLast(({ event }) => event === 'disk-volume-unused')?.fields).toMatchObject({
    volumeId: 'vol-00000000000000005',
  });
});

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
