/**
 * The same statistics, computed directly in this process: every number of the scatter's result must
 * equal them.
 */

export interface ReadStatistics {
  reads: number;
  bases: number;
  /** G and C. */
  gc: number;
  /** Bases that the sequencer could not read. */
  ns: number;
  /** Sum of the Phred qualities of all bases. */
  qualitySum: number;
  /** How often each 6-mer of A, C, G and T occurs. */
  kmers: Map<string, number>;
}

const KMER_BASES = 6;
const QUALITY_OFFSET = 33;

export const noReads = (): ReadStatistics => ({
  reads: 0,
  bases: 0,
  gc: 0,
  ns: 0,
  qualitySum: 0,
  kmers: new Map(),
});

/** Adds what a FASTQ text holds. */
export function addReads(statistics: ReadStatistics, fastq: string): void {
  const lines = fastq.split('\n');
  for (let at = 0; at + 3 < lines.length; at += 4)
    addRead(statistics, lines[at + 1] ?? '', lines[at + 3] ?? '');
}

function addRead(statistics: ReadStatistics, bases: string, qualities: string): void {
  statistics.reads += 1;
  statistics.bases += bases.length;
  for (const base of bases) {
    if (base === 'G' || base === 'C') statistics.gc += 1;
    else if (base === 'N') statistics.ns += 1;
  }
  for (let at = 0; at < qualities.length; at += 1)
    statistics.qualitySum += qualities.charCodeAt(at) - QUALITY_OFFSET;
  for (let at = 0; at + KMER_BASES <= bases.length; at += 1) {
    const kmer = bases.slice(at, at + KMER_BASES);
    if (!kmer.includes('N')) statistics.kmers.set(kmer, (statistics.kmers.get(kmer) ?? 0) + 1);
  }
}

/** Parses what merge.awk wrote, `name<TAB>count` lines. Throws on any other line. */
export function parseStatistics(text: string): ReadStatistics {
  const statistics = noReads();
  const fields: Record<string, 'reads' | 'bases' | 'gc' | 'ns' | 'qualitySum'> = {
    reads: 'reads',
    bases: 'bases',
    gc: 'gc',
    ns: 'ns',
    quality_sum: 'qualitySum',
  };
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const match = /^([a-z_]+|kmer:[ACGT]{6})\t(\d+)$/.exec(line);
    if (match?.[1] === undefined)
      throw new Error(
        `The gathered result has a line that is not a statistic: ${JSON.stringify(line)}`,
      );
    const [, name, count] = match;
    const field = fields[name];
    if (field !== undefined) statistics[field] = Number(count);
    else if (name.startsWith('kmer:')) statistics.kmers.set(name.slice(5), Number(count));
    else throw new Error(`The gathered result has an unknown statistic: ${name}`);
  }
  return statistics;
}

/** Every difference as a sentence; empty when the two are equal. */
export function compareStatistics(scattered: ReadStatistics, direct: ReadStatistics): string[] {
  const names = ['reads', 'bases', 'gc', 'ns', 'qualitySum'] as const;
  const differences = names.flatMap((name) =>
    scattered[name] === direct[name]
      ? []
      : [`${name}: ${scattered[name]} by the scatter, ${direct[name]} directly`],
  );
  const kmers = new Set([...scattered.kmers.keys(), ...direct.kmers.keys()]);
  const wrong = [...kmers].filter((kmer) => scattered.kmers.get(kmer) !== direct.kmers.get(kmer));
  const [example] = wrong;
  if (example === undefined) return differences;
  const timesIn = (statistics: ReadStatistics): number => statistics.kmers.get(example) ?? 0;
  return [
    ...differences,
    `${wrong.length} of ${kmers.size} 6-mers, such as ${example}: ` +
      `${timesIn(scattered)} by the scatter, ${timesIn(direct)} directly`,
  ];
}

/** The most frequent 6-mers; those with equal counts in alphabetical order. */
export const topKmers = ({ kmers }: ReadStatistics, count: number): [string, number][] =>
  [...kmers].toSorted(([a, left], [b, right]) => right - left || (a < b ? -1 : 1)).slice(0, count);
