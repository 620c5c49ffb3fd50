/**
 * Sequencing reads from a seeded generator: the same bytes on every machine, shaped like a real
 * run, so that the statistics show something. Bases follow a Markov chain of order 2 whose GC
 * content drifts along the genome, qualities fall towards the end of a read, and bases of the
 * lowest quality are often N.
 */
import { createRandom } from '../../packages/local-aws/random.ts';

export interface ReadsOptions {
  shards: number;
  /** Reads of one shard. */
  readsPerShard: number;
  seed: number;
}

const SHORTEST_READ = 100;
const LONGEST_READ = 150;
const GENOME_BASES = 200_000;
const HIGHEST_QUALITY = 41;
/** Phred+33, which FASTQ files have used since 2011. */
const QUALITY_OFFSET = 33;

/** One FASTQ text per shard. */
export function* makeShards({ shards, readsPerShard, seed }: ReadsOptions): Generator<string> {
  const random = createRandom(seed);
  const genome = makeGenome(random);
  for (let shard = 0; shard < shards; shard += 1) {
    let text = '';
    for (let read = 0; read < readsPerShard; read += 1)
      text += makeRead(genome, `batchwell:${shard + 1}:${read + 1}`, random);
    yield text;
  }
}

/** Islands of high GC in a genome of low GC, with few CpG pairs, as in vertebrates. */
function makeGenome(random: () => number): string {
  let genome = '';
  let gc = 0.4;
  let previous = 'A';
  for (let at = 0; at < GENOME_BASES; at += 1) {
    if (at % 1000 === 0) gc = 0.32 + 0.3 * random() ** 2;
    const isGc = random() < gc;
    const first = random() < 0.5;
    let base = isGc ? (first ? 'G' : 'C') : first ? 'A' : 'T';
    if (previous === 'C' && base === 'G' && random() < 0.7) base = 'A';
    genome += base;
    previous = base;
  }
  return genome;
}

function makeRead(genome: string, name: string, random: () => number): string {
  const length = SHORTEST_READ + Math.floor(random() * (LONGEST_READ - SHORTEST_READ + 1));
  const start = Math.floor(random() * (genome.length - length));
  let bases = '';
  let qualities = '';
  for (let at = 0; at < length; at += 1) {
    const quality = drawQuality(at / length, random);
    const unreadable = quality <= 4 && random() < 0.4;
    bases += unreadable ? 'N' : genome[start + at];
    qualities += String.fromCharCode(QUALITY_OFFSET + (unreadable ? 2 : quality));
  }
  return `@${name} length=${length}\n${bases}\n+\n${qualities}\n`;
}

/** High and steady at first, lower and more varied towards the end. */
function drawQuality(along: number, random: () => number): number {
  const loss = 3 + 14 * along ** 2;
  const drawn = Math.round(
    HIGHEST_QUALITY - loss * (random() + random()) * (random() < 0.02 ? 3 : 0.7),
  );
  return Math.min(HIGHEST_QUALITY, Math.max(2, drawn));
}
