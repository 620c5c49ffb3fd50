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

/** Found by it too, in the part of seed 45: EC2 does not name the volume that was added before the journal was lost. */
const UNUSED: Story = {
  seed: 381014651,
  firstGiB: 500,
  maxGiB: 4000,
  hasCgroup: false,
  hasForeignDisk: false,
  writers: [
    { fromMs: 29514, forMs: 255073, bytesPerSecond: 967835648 },
    { fromMs: 0, forMs: 312001, bytesPerSecond: 1418723328 },
  ],
  commandsFail: 0,
  faults: {
    badDescribes: 0.9218647673260422,
    appearsWithinMs: 500,
    takenNames: ['/dev/xvdba'],
  },
  crashes: [{ at: 39, when: 'before', by: 'power', losesJournal: true }],
};

it('A volume that was added before the journal was lost is used, though EC2 does not name it.', async () => {
  const { violations, events } = await play(UNUSED);
  expect(violations).toEqual([]);
  expect(events.some(({ event }) => event === 'disk-file-system-grown')).toBe(true);
});

/** The same, and the device of the volume never appears. */
const UNSEEN: Story = {
  seed: 787993348,
  firstGiB: 100,
  maxGiB: 1000,
  hasCgroup: false,
  hasForeignDisk: false,
  writers: [{ fromMs: 0, forMs: 58501, bytesPerSecond: 593494016 }],
  commandsFail: 0,
  faults: {
    badDescribes: 0.8184217466041447,
    neverAppears: 0.033656902844086296,
    appearsWithinMs: 500,
    takenNames: ['/dev/xvdba', '/dev/xvdbb'],
  },
  crashes: [
    { at: 13, when: 'before', by: 'power', losesJournal: true },
    { at: 23, when: 'before', by: 'kill', losesJournal: false },
    { at: 25, when: 'before', by: 'power', losesJournal: false },
    { at: 50, when: 'after', by: 'kill', losesJournal: true },
  ],
};

it('A volume that neither journal, EC2, nor a device shows goes with its host.', async () => {
  // The story ends after the host, and after the next one: no volume is left then.
  expect((await play(UNSEEN)).violations).toEqual([]);
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
