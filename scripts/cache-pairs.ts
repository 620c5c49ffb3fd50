/**
 * `npm run test:cache -- --pairs 1000 [--from 1]`: makes pairs of Cromwell calls, runs both of each for real, and
 * compares their outputs and fingerprints. Different outputs under one fingerprint are a wrong hit, and fail. Equal
 * outputs under two fingerprints are a lost hit, and are counted.
 */
import { parseArgs } from 'node:util';
import { describePair, tryPairs, type TriedPair, type Verdict } from '../test/pairs/try-pair.ts';
import { requireCounts } from './play-seeds.ts';

/** Returns the exit code. */
export async function tryCachePairs(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      pairs: { type: 'string', default: '1000' },
      from: { type: 'string', default: '1' },
    },
  });
  requireCounts(values);
  const [pairs, from] = [Number(values.pairs), Number(values.from)];
  const counts: Record<Verdict, number> = { hit: 0, miss: 0, 'wrong hit': 0, 'lost hit': 0 };
  const lost = new Map<string, number>();
  const note = (tried: TriedPair): void => {
    counts[tried.verdict] += 1;
    if (tried.verdict === 'wrong hit') console.log(`\n${describePair(tried)}\n`);
    if (tried.verdict !== 'lost hit') return;
    const { way, changed } = tried.pair;
    const why = changed.length === 0 ? `only another run: ${way}` : `another ${changed.join(', ')}`;
    lost.set(why, (lost.get(why) ?? 0) + 1);
  };
  await tryPairs({ from, pairs }, note);
  for (const [why, count] of [...lost].toSorted(([, a], [, b]) => b - a))
    console.log(`${String(count).padStart(5)} lost hits: ${why}`);
  console.log(
    `Seeds ${from} to ${from + pairs - 1}: ${counts.hit} hits, ${counts.miss} misses, ${counts['lost hit']} lost hits, ${counts['wrong hit']} wrong hits.`,
  );
  return counts['wrong hit'] > 0 ? 1 : 0;
}
