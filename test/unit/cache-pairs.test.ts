/** Pairs of Cromwell calls, run for real: what one of them would write is never given to the other one by a hit. */
import { expect, test } from 'vitest';
import { missingPrograms } from '../cromwell.ts';
import { makePair, type Side } from '../pairs/make-pair.ts';
import { describePair, fingerprintOfSide, tryPair, tryPairs } from '../pairs/try-pair.ts';

const PAIRS = 50;
/** `npm run test:cache` plays others. */
const FROM = 100_001;
const SLOW_MS = 60_000;
const missing = missingPrograms(['bash', 'perl', 'tar', 'mkfifo']);

test.skipIf(missing.length > 0)(
  'a call that gives other outputs than another call has another fingerprint, whatever it reads of its run',
  async () => {
    const tried = await tryPairs({ from: FROM, pairs: PAIRS });
    const wrong = tried.filter(({ verdict }) => verdict === 'wrong hit');
    expect(wrong.map(describePair)).toEqual([]);
    // Without both kinds, nothing was tried.
    expect(tried.some(({ verdict }) => verdict === 'hit')).toBe(true);
    expect(tried.some(({ verdict }) => verdict === 'miss')).toBe(true);
  },
  SLOW_MS,
);

const ignoringShards = (side: Side): Promise<string> =>
  fingerprintOfSide(JSON.parse(JSON.stringify(side).replace(/shard-\d/g, 'shard-9')) as Side);

test.skipIf(missing.length > 0)(
  'a profile that ignored the shard would be found by the pairs, with the seed in what they say',
  async () => {
    const label = {
      name: 'label of the call',
      command: ({ made: [first] }: { made: [string, string] }) =>
        `echo $(basename $(dirname $(dirname ${first}))) > out.txt`,
    };
    const seeds = Array.from({ length: 500 }, (_, at) => at + 1);
    const renumbered = seeds
      .map((seed) => makePair(seed, [label]))
      .filter(({ changed, sides }) => {
        const [one, other] = sides.map(({ script }) => /shard-\d+\/execution\/a/.test(script));
        return changed.join() === 'renumbered input' && one && other;
      });
    const [pair] = renumbered;
    if (!pair) throw new Error('No pair differs in the numbers of its inputs only.');
    expect((await tryPair(pair)).verdict).toBe('miss');
    const planted = await tryPair(pair, ignoringShards);
    expect(planted.verdict).toBe('wrong hit');
    expect(describePair(planted)).toContain(`wrong hit of seed ${pair.seed}`);
  },
  SLOW_MS,
);
