/** Owners as values of a label: Prometheus keeps a series for each, so only the busiest have one. */

export const OTHER_OWNERS = 'other';
const NAMED_OWNERS = 20;

/**
 * The owners with a series of their own: the busiest ones, by unfinished tasks. An owner without tasks
 * keeps its series until another one needs it, so that its last counts stay visible.
 *
 * @param named those that have one now
 */
export function chooseOwners(
  tasks: ReadonlyMap<string, number>,
  named: ReadonlySet<string>,
  most = NAMED_OWNERS,
): Set<string> {
  const busy = [...tasks]
    .filter(([owner, count]) => count > 0 && owner !== OTHER_OWNERS)
    .toSorted(([a, many], [b, more]) => more - many || (a < b ? -1 : 1))
    .map(([owner]) => owner);
  const busiest = new Set(busy.slice(0, most));
  const idle = [...named].filter((owner) => !tasks.has(owner));
  for (const owner of idle) if (busiest.size < most) busiest.add(owner);
  return busiest;
}

/** Adds up by owner; those without a series of their own are `other`. */
export function sumByOwner<T extends { owner: string }>(
  items: readonly T[],
  named: ReadonlySet<string>,
  value: (item: T) => number,
): Map<string, number> {
  const sums = new Map<string, number>([...named, OTHER_OWNERS].map((owner) => [owner, 0]));
  for (const item of items) {
    const label = labelOf(item.owner, named);
    sums.set(label, (sums.get(label) ?? 0) + value(item));
  }
  return sums;
}

export const labelOf = (owner: string, named: ReadonlySet<string>): string =>
  named.has(owner) ? owner : OTHER_OWNERS;
