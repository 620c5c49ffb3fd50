/**
 * Adds items to the end of a list. `list.push(...items)` passes each item as an argument, and V8
 * throws a RangeError above some 120,000 of them.
 */
export function append<T>(list: T[], items: Iterable<T>): void {
  for (const item of items) list.push(item);
}
