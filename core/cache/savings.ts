/** What a cache hit saves: the time that the run of its source took, with the resources that it asked for itself. */
import type { Resources } from '../task/task.ts';

export interface HitCost {
  owner: string;
  name: string;
  resources: Pick<Resources, 'cpu_cores' | 'ram_gb'>;
  /** Of the source's run. */
  runMs: number;
  copiedBytes: number;
}

export interface Saved {
  owner: string;
  /** With `#` in place of digits. */
  name: string;
  hits: number;
  vcpuMs: number;
  gibMs: number;
  copiedBytes: number;
}

/** Numbered tasks share a name. */
const savingsName = (name: string): string => name.replaceAll(/\d+/g, '#');

/** One sum per owner and name. */
export function sumHits(hits: readonly HitCost[]): Saved[] {
  const groups = Map.groupBy(hits, ({ owner, name }) => JSON.stringify([owner, savingsName(name)]));
  return [...groups.values()].flatMap((members): Saved[] => {
    const [first] = members;
    if (!first) return [];
    const sum = (of: (hit: HitCost) => number): number =>
      Math.round(members.reduce((total, hit) => total + of(hit), 0));
    return [
      {
        owner: first.owner,
        name: savingsName(first.name),
        hits: members.length,
        vcpuMs: sum(({ runMs, resources }) => runMs * resources.cpu_cores),
        gibMs: sum(({ runMs, resources }) => runMs * resources.ram_gb),
        copiedBytes: sum(({ copiedBytes }) => copiedBytes),
      },
    ];
  });
}
