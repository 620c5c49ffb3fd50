const AT_ONCE = 16;

/** Runs all, 16 at a time. The results are in the order of the work. */
export async function inParallel<T>(
  work: readonly (() => Promise<T>)[],
  atOnce = AT_ONCE,
): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let position = next++; position < work.length; position = next++) {
      const one = work[position];
      if (one) results[position] = await one();
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, work.length) }, worker));
  return results;
}

/** A bound for a whole process: who comes first is served first. */
export interface Slots {
  run<T>(work: () => Promise<T>): Promise<T>;
}

export function createSlots(count: number): Slots {
  let free = count;
  const waiting: (() => void)[] = [];
  return {
    async run(work) {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => void waiting.push(resolve));
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else free += 1;
      }
    },
  };
}
