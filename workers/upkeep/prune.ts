/**
 * Deregisters job definitions that have long been unused. Otherwise AWS keeps every revision
 * forever.
 */
import { forgetRevision, readUnusedDefinitions } from '../../db/job-definitions.ts';
import type { Runtime } from '../runtime.ts';

export interface PruneRequest {
  /** Definitions last used before this are unused. */
  unusedSinceMs: number;
  /** Only returns which they are. */
  dryRun: boolean;
}

const DEFINITIONS_AT_ONCE = 1000;

/**
 * Returns the revisions (name:revision) in the order in which they were deregistered, or would be.
 * Content that is needed again later is registered again. Definitions of submissions that have not
 * ended are left alone.
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
        // Forgotten first: a crash in between leaves a revision in AWS that no row names, never a
        // row that names a missing revision.
        await forgetRevision(runtime.database.pool, id, revision);
        await runtime.batch.deregister(revision);
      }
      pruned.push(revision);
      onPruned(revision);
    }
    if (dryRun || unused.length < DEFINITIONS_AT_ONCE) return pruned;
  }
}
