/**
 * The jobs of one queue, or the children of one array, with an index by status that costs O(1) per
 * move: one bit per job and status, and a count. A page of a 10,000-wide array is found by walking
 * 313 words, and 100,000 jobs by walking 3,125, however many jobs are in other states.
 */
import { JOB_STATUSES, type Job, type JobGroup, type JobStatus } from './jobs.ts';

const WORD_BITS = 32;

interface Bits {
  words: Uint32Array;
  count: number;
}

function setBit(bits: Bits, ordinal: number): void {
  const word = ordinal >>> 5;
  if (word >= bits.words.length) {
    const grown = new Uint32Array(Math.max(8, word * 2));
    grown.set(bits.words);
    bits.words = grown;
  }
  bits.words[word] = (bits.words[word] ?? 0) | (1 << (ordinal & 31));
  bits.count += 1;
}

function clearBit(bits: Bits, ordinal: number): void {
  const word = ordinal >>> 5;
  bits.words[word] = (bits.words[word] ?? 0) & ~(1 << (ordinal & 31));
  bits.count -= 1;
}

/** The lowest set bit at or above `from`, or -1. */
function nextSet({ words }: Bits, from: number): number {
  let word = from >>> 5;
  let rest = (words[word] ?? 0) & (-1 << (from & 31));
  while (rest === 0) {
    word += 1;
    if (word >= words.length) return -1;
    rest = words[word] ?? 0;
  }
  return word * WORD_BITS + (WORD_BITS - 1 - Math.clz32(rest & -rest));
}

/** The highest set bit at or below `from`, or -1. */
function previousSet({ words }: Bits, from: number): number {
  let word = Math.min(from >>> 5, words.length - 1);
  let rest = words[word] ?? 0;
  if (word === from >>> 5) rest &= (from & 31) === 31 ? -1 : (1 << ((from & 31) + 1)) - 1;
  while (rest === 0) {
    word -= 1;
    if (word < 0) return -1;
    rest = words[word] ?? 0;
  }
  return word * WORD_BITS + (WORD_BITS - 1 - Math.clz32(rest));
}

export function createJobGroup(): JobGroup {
  const jobs: (Job | undefined)[] = [];
  const indexes = new Map<JobStatus, Bits>(
    JOB_STATUSES.map((status) => [status, { words: new Uint32Array(0), count: 0 }]),
  );
  const everything: Bits = { words: new Uint32Array(0), count: 0 };
  const bitsOf = (status: JobStatus | undefined): Bits =>
    status === undefined ? everything : (indexes.get(status) ?? everything);

  function* walk(
    status: JobStatus | undefined,
    from: number,
    next: typeof nextSet,
    step: 1 | -1,
  ): Generator<Job> {
    const bits = bitsOf(status);
    for (let at = from; at >= 0; at += step) {
      at = next(bits, at);
      const job = at < 0 ? undefined : jobs[at];
      if (job === undefined) return;
      yield job;
    }
  }

  return {
    add(job) {
      jobs[job.ordinal] = job;
      setBit(everything, job.ordinal);
      setBit(bitsOf(job.status), job.ordinal);
    },
    move(job, to) {
      clearBit(bitsOf(job.status), job.ordinal);
      setBit(bitsOf(to), job.ordinal);
      job.status = to;
    },
    remove(job) {
      clearBit(everything, job.ordinal);
      clearBit(bitsOf(job.status), job.ordinal);
      jobs[job.ordinal] = undefined;
    },
    at: (ordinal) => jobs[ordinal],
    size: () => jobs.length,
    count: (status) => bitsOf(status).count,
    summary() {
      const counts: Record<string, number> = {};
      for (const status of JOB_STATUSES) counts[status] = bitsOf(status).count;
      return counts;
    },
    first(status, from) {
      const at = nextSet(bitsOf(status), from);
      return at < 0 ? undefined : jobs[at];
    },
    upwards: (status, from) => walk(status, from, nextSet, 1),
    downwards: (status, from) => walk(status, Math.min(from, jobs.length - 1), previousSet, -1),
  };
}
