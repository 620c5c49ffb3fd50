/** Work on many items of which one can make all fail. */
import { concernsAll } from '../../core/isolation/whose-fault.ts';

export interface Halved<T, R> {
  /** Of the parts that worked, in order. */
  results: R[];
  bad: { item: T; error: unknown }[];
}

/**
 * Works on all items; where that throws, on each half, until the bad ones are alone: for one of 500, 18 calls. The work
 * may be done on an item twice. An error that concerns all items is thrown.
 */
export async function inHalves<T, R>(
  items: readonly T[],
  work: (items: readonly T[]) => Promise<R>,
): Promise<Halved<T, R>> {
  const halved: Halved<T, R> = { results: [], bad: [] };
  const tryPart = async (part: readonly T[]): Promise<void> => {
    try {
      halved.results.push(await work(part));
    } catch (error) {
      if (concernsAll(error)) throw error;
      await splitPart(part, error);
    }
  };
  const splitPart = async (part: readonly T[], error: unknown): Promise<void> => {
    const [first] = part;
    if (first === undefined) throw error;
    if (part.length === 1) {
      halved.bad.push({ item: first, error });
      return;
    }
    const middle = part.length >> 1;
    await tryPart(part.slice(0, middle));
    await tryPart(part.slice(middle));
  };
  if (items.length > 0) await tryPart(items);
  return halved;
}
