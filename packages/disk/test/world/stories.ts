/** Which stories are told: writers, faults, and crashes, for fast-check to combine and to shrink. */
import fc from 'fast-check';
import type { Crash, Story } from './story.ts';

const MIB = 1_048_576;
const often = (most: number) =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.double({ min: 0, max: most, noNaN: true }) },
  );
const window = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ fromMs: 0, forMs: 0 }) },
  {
    weight: 1,
    arbitrary: fc.record({
      fromMs: fc.integer({ min: 0, max: 600_000 }),
      forMs: fc.integer({ min: 1_000, max: 300_000 }),
    }),
  },
);

const writer = fc.record({
  fromMs: fc.integer({ min: 0, max: 400_000 }),
  forMs: fc.integer({ min: 5_000, max: 600_000 }),
  bytesPerSecond: fc.integer({ min: 1, max: 1_500 }).map((mib) => mib * MIB),
});

const crash: fc.Arbitrary<Crash> = fc.record({
  at: fc.integer({ min: 0, max: 60 }),
  when: fc.constantFrom('before', 'after'),
  by: fc.constantFrom('kill', 'power'),
  losesJournal: fc.integer({ min: 0, max: 9 }).map((one) => one === 0),
});

export const stories: fc.Arbitrary<Story> = fc.record({
  seed: fc.integer({ min: 0, max: 0x7f_ff_ff_ff }),
  firstGiB: fc.constantFrom(100, 100, 500, 950),
  maxGiB: fc.constantFrom(1000, 4000, 16_384),
  hasCgroup: fc.integer({ min: 0, max: 9 }).map((one) => one > 0),
  hasForeignDisk: fc.boolean(),
  writers: fc.array(writer, { minLength: 1, maxLength: 3 }),
  commandsFail: often(0.3),
  faults: fc.record({
    throttled: often(0.6),
    lostReplies: often(0.3),
    lostRequests: often(0.3),
    serverErrors: often(0.4),
    badDescribes: often(1),
    neverAppears: often(0.5),
    appearsWithinMs: fc.constantFrom(500, 3_000, 30_000, 90_000),
    mostVolumes: fc.constantFrom(1000, 1000, 8),
    mostAttachments: fc.constantFrom(26, 26, 3),
    away: window,
    full: window,
    denied: fc.constantFrom<readonly string[]>([], [], [], [], ['ec2:CreateVolume']),
    takenNames: fc.constantFrom<readonly string[]>(
      [],
      ['/dev/xvdba'],
      ['/dev/xvdba', '/dev/xvdbb'],
    ),
  }),
  crashes: fc.array(crash, { maxLength: 4 }).map((list) => list.toSorted((a, b) => a.at - b.at)),
});
