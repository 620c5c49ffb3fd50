/** What the hits of a chunk saved. */
import type { HitCost, Saved } from '../../../core/cache/savings.ts';
import { readOutputBytes, readRunTimes } from '../../../db/call-cache.ts';
import type { TaskRow } from '../../../db/tasks.ts';
import type { Runtime } from '../../runtime.ts';

const entriesOf = (hits: readonly TaskRow[]): number[] =>
  hits.flatMap(({ hitEntryId }) => hitEntryId ?? []);

/** By task. @param copied tasks whose outputs are copied */
export async function costsOfHits(
  runtime: Runtime,
  rows: readonly TaskRow[],
  copied: ReadonlySet<number>,
): Promise<Map<number, HitCost>> {
  const { pool } = runtime.database;
  const runTimes = await readRunTimes(pool, entriesOf(rows));
  const bytes = await readOutputBytes(pool, entriesOf(rows.filter(({ id }) => copied.has(id))));
  const templates = await runtime.templates.read(
    pool,
    rows.map(({ templateId }) => templateId),
  );
  return new Map(
    rows.flatMap((row): [number, HitCost][] => {
      const entryId = row.hitEntryId ?? 0;
      const runMs = runTimes.get(entryId);
      const resources = templates.get(row.templateId)?.template.resources;
      if (runMs === undefined || !resources) return [];
      const copiedBytes = copied.has(row.id) ? (bytes.get(entryId) ?? 0) : 0;
      return [[row.id, { owner: row.owner, name: row.name, resources, runMs, copiedBytes }]];
    }),
  );
}

export function countSavings({ metrics }: Runtime, saved: readonly Saved[]): void {
  for (const { vcpuMs, gibMs, copiedBytes } of saved) {
    metrics.cacheSavedVcpuSeconds.inc(vcpuMs / 1000);
    metrics.cacheSavedGibSeconds.inc(gibMs / 1000);
    metrics.cacheCopiedBytes.inc(copiedBytes);
  }
}
