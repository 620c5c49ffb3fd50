/** Pairs of Cromwell calls, run for real: what one of them would write is never given to the other one by a hit. */
import { expect, test } from 'vitest';
import { missingPrograms } from '../cromwell.ts';
import { makePair, type Side } from '../pairs/make-pair.ts';
import { describePair, fingerprintOfSide, tryPair, type TriedPair } from '../pairs/try-pair.ts';
import { exchange } from './profile-world.ts';

const PAIRS = 50;
/** `npm run test:cache` plays 1,000 others. */
const FROM = 100_001;
const SLOW_MS = 60_000;
const missing = missingPrograms(['bash', 'perl', 'tar', 'mkfifo']);

test.skipIf(missing.length > 0)(
  'a call that gives other outputs than another call has another fingerprint, whatever it reads of its run',
  async () => {
    const tried: TriedPair[] = [];
    for (let seed = FROM; seed < FROM + PAIRS; seed += 1) tried.push(await tryPair(makePair(seed)));
    const wrong = tried.filter(({ verdict }) => verdict === 'wrong hit');
    expect(wrong.map(describePair)).toEqual([]);
    // Without both kinds, nothing was tried.
    expect(tried.filter(({ verdict }) => verdict === 'hit').length).toBeGreaterThan(0);
    expect(tried.filter(({ verdict }) => verdict === 'miss').length).toBeGreaterThan(0);
  },
  SLOW_MS,
);

test.skipIf(missing.length > 0)(
  'a profile that ignored the shard would be found by the pairs, with the seed',
  async () => {
    const ignoresShard = ({ task, script, contents, ...side }: Side): Promise<string> =>
      fingerprintOfSide({
        ...side,
        task: exchange(task, { 'shard-0': 'shard-9', 'shard-1': 'shard-9', 'shard-2': 'shard-9' }),
        script: script.replace(/shard-\d/g, 'shard-9'),
        contents,
      });
    const label = {
      name: 'label',
      command: ({ made: [a] }: { made: [string, string] }) =>
        `echo $(basename $(dirname $(dirname ${a}))) > out.txt`,
    };
    for (let seed = 1; seed <= 200; seed += 1) {
      const pair = makePair(seed, [label]);
      if (pair.changed.join() !== 'renumbered input') continue;
      expect((await tryPair(pair)).verdict).toBe('miss');
      const planted = await tryPair(pair, ignoresShard);
      if (planted.verdict !== 'wrong hit') continue;
      expect(describePair(planted)).toContain(`wrong hit of seed ${seed}`);
      return;
    }
    throw new Error('No pair found the planted profile.');
  },
  SLOW_MS,
);
