/**
 * Conditions on many ids. The tasks of a message are mostly neighbours: one range costs the server a descent into the
 * index, a list costs one for each id.
 */

interface Condition {
  sql: string;
  values: unknown[];
}

/** Ranges are worth it from this many ids in each. */
const IDS_PER_RANGE = 8;

/** That `column` is one of `ids`, of which there is at least one. The column is unsigned. */
export function isOneOf(column: string, ids: readonly number[]): Condition {
  const sorted = [...new Set(ids)].toSorted((a, b) => a - b);
  const ranges = rangesOf(sorted);
  if (ranges.length * IDS_PER_RANGE > sorted.length && ranges.length > 1)
    return { sql: `${column} IN (?)`, values: [sorted] };
  return {
    sql: `(${ranges.map(() => `${column} BETWEEN ? AND ?`).join(' OR ')})`,
    values: ranges.flat(),
  };
}

function rangesOf(sorted: readonly number[]): [first: number, last: number][] {
  const ranges: [number, number][] = [];
  for (const id of sorted) {
    const open = ranges.at(-1);
    if (open && open[1] + 1 === id) open[1] = id;
    else ranges.push([id, id]);
  }
  return ranges;
}
