const AT_ONCE = 16;

/** Runs all, 16 at a time. The results are in the order of the work. */
export async function inParallel<T>(work: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let position = next++; position < work.length; position = next++) {
      const one = work[position];
      if (one) results[position] = await one();
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, work.length) }, worker));
  return results;
}
