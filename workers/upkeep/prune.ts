/** Deregisters job definitions that nobody has used for long. AWS keeps every revision for ever otherwise. */
import { forgetRevision, readUnusedDefinitions } from '../../db/job-definitions.ts';
import type { Runtime } from '../runtime.ts';

export interface PruneRequest {
  /** Definitions last used before this are unused. */
  unusedSinceMs: number;
  /** Only tells which they are. */
  dryRun: boolean;
}

const DEFINITIONS_AT_ONCE = 1000;

/**
 * Returns the revisions (name:revision) in the order in which they were deregistered, or would be. A content that is
 * wanted again later is registered anew. Those of submissions that have not ended are left alone.
 */
export async function pruneDefinitions(
  runtime: Runtime,
  { unusedSinceMs, dryRun }: PruneRequest,
  onPruned: (revision: string) => void = () => undefined,
): Promise<string[]> {
  const pruned: string[] = [];
  for (;;) {
    const unused = await readUnusedDefinitions(runtime.database.pool, {
      unusedSinceMs,
      most: DEFINITIONS_AT_ONCE,
    });
    for (const { id, revision } of unused) {
      if (!dryRun) {
        // Forgotten first: a crash in between leaves a revision in AWS that no row names, never a row that names none.
        await forgetRevision(runtime.database.pool, id, revision);
        await runtime.batch.deregister(revision);
      }
      pruned.push(revision);
      onPruned(revision);
    }
    if (dryRun || unused.length < DEFINITIONS_AT_ONCE) return pruned;
  }
}
