/**
 * Keys in the order in which S3 lists them, by their UTF-8 bytes, with a value each. They are in
 * sorted runs of at most 512 keys, so a put moves at most that many, whether the bucket holds a
 * thousand keys or a million. (With one sorted array, a put into 100,000 keys moves 50,000. A tree
 * is more code without a measured gain.)
 */

const RUN_LIMIT = 512;

/**
 * Negative, zero or positive as `a` sorts before, with or after `b` by UTF-8 bytes. JavaScript
 * compares UTF-16 units, where U+1F600 (a surrogate, 0xD83D) comes before U+FF01; in UTF-8 it comes
 * after.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return utf8Rank(left) - utf8Rank(right);
  }
  return a.length - b.length;
}

/** Moves the surrogates above the rest of the basic plane. */
const utf8Rank = (unit: number): number =>
  unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;

/**
 * The first place in 0..length where `isBefore` does not hold. It must hold for a prefix and
 * nothing after it.
 */
function lowerBound(length: number, isBefore: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

export interface KeyIndex<T> {
  readonly size: number;
  get(key: string): T | undefined;
  set(key: string, value: T): void;
  delete(key: string): void;
  values(): IterableIterator<T>;
  /**
   * Keys in order, from the first for which `isBefore` does not hold. The index must not change
   * while a caller iterates: read a page without an await.
   */
  from(isBefore: (key: string) => boolean): Cursor<T>;
}

interface Cursor<T> {
  /** The entry here, or undefined at the end. */
  here(): { key: string; value: T } | undefined;
  next(): void;
  /** Moves to the first key for which `isBefore` does not hold. */
  skip(isBefore: (key: string) => boolean): void;
}

interface Position {
  run: number;
  place: number;
}

/** The run that holds or would hold the key, and the key's place in it. */
function locate(runs: readonly string[][], isBefore: (key: string) => boolean): Position {
  const run = lowerBound(runs.length, (index) => isBefore(runs[index]?.at(-1) ?? ''));
  const keys = runs[run] ?? [];
  return { run, place: lowerBound(keys.length, (index) => isBefore(keys[index] ?? '')) };
}

function locateKey(runs: readonly string[][], key: string): Position {
  return locate(runs, (other) => compareKeys(other, key) < 0);
}

function insert(runs: string[][], key: string): void {
  const found = locateKey(runs, key);
  // A key after all others goes to the end of the last run.
  const run = Math.min(found.run, Math.max(0, runs.length - 1));
  const keys = runs[run];
  if (keys === undefined) {
    runs.push([key]);
    return;
  }
  const atEnd = found.run > run;
  keys.splice(atEnd ? keys.length : found.place, 0, key);
  // Keys that arrive in order leave full runs behind if the split keeps most keys in the first.
  if (keys.length > RUN_LIMIT)
    runs.splice(run + 1, 0, keys.splice(atEnd ? RUN_LIMIT - 32 : RUN_LIMIT / 2));
}

export function createKeyIndex<T>(): KeyIndex<T> {
  const values = new Map<string, T>();
  const runs: string[][] = [];
  return {
    get size() {
      return values.size;
    },
    get: (key) => values.get(key),
    set(key, value) {
      if (!values.has(key)) insert(runs, key);
      values.set(key, value);
    },
    delete(key) {
      if (!values.delete(key)) return;
      const { run, place } = locateKey(runs, key);
      runs[run]?.splice(place, 1);
      if (runs[run]?.length === 0) runs.splice(run, 1);
    },
    values: () => values.values(),
    from(isBefore) {
      let { run, place } = locate(runs, isBefore);
      return {
        here() {
          const key = runs[run]?.[place];
          const value = key === undefined ? undefined : values.get(key);
          return key === undefined || value === undefined ? undefined : { key, value };
        },
        next() {
          place += 1;
          if (place < (runs[run]?.length ?? 0)) return;
          run += 1;
          place = 0;
        },
        skip(isBefore) {
          ({ run, place } = locate(runs, isBefore));
        },
      };
    },
  };
}
