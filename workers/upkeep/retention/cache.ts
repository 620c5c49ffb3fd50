/** Retires and deletes old entries of the call cache, and what is remembered for it. */
import { RETIRED } from '../../../core/cache/hit-source.ts';
import {
  deleteEntries,
  deleteFingerprints,
  deleteOutputs,
  readUnusedFingerprints,
  readUselessEntries,
  retireEntries,
  stampInvalid,
  type UsedFingerprint,
} from '../../../db/cache-retention.ts';
import { deleteOldImageDigests } from '../../../db/image-digests.ts';
import { deleteOldObjectSums } from '../../../db/object-sums.ts';
import { ROWS_PER_STEP } from '../../../db/retention.ts';
import { repeat, walk, type Pruning } from './pruning.ts';
import type { NeededByTasks } from './tasks.ts';

export async function retireOldEntries(pruning: Pruning): Promise<void> {
  const { runtime, cutoffs } = pruning;
  if (cutoffs.entriesMs > 0)
    await walk(pruning, 'entries-retired', (pool, after) =>
      retireEntries(pool, after, {
        unusedSinceMs: cutoffs.entriesMs,
        nowMs: runtime.nowMs(),
        reason: RETIRED,
      }),
    );
  for (let more = true; more;)
    more = (await stampInvalid(runtime.database.pool, runtime.nowMs())) === ROWS_PER_STEP;
}

/** Tasks show the outputs of entries that they hit, so entries outlive those tasks. */
export async function pruneEntries(
  { runtime, cutoffs, done }: Pruning,
  { entries }: NeededByTasks,
): Promise<void> {
  const { pool } = runtime.database;
  if (cutoffs.tasksMs === 0) return;
  for (;;) {
    const useless = await readUselessEntries(pool, cutoffs.tasksMs, [...entries]);
    if (useless.length === 0) return;
    for (let outputs = ROWS_PER_STEP; outputs === ROWS_PER_STEP;) {
      outputs = await deleteOutputs(pool, useless);
      await done('outputs', outputs);
    }
    await done('entries', await deleteEntries(pool, useless));
  }
}

export async function pruneFingerprints(
  { runtime, cutoffs, done }: Pruning,
  { fingerprints }: NeededByTasks,
): Promise<void> {
  const { pool } = runtime.database;
  for (let after: UsedFingerprint = { fingerprint: Buffer.alloc(0), usedMs: 0 }; ;) {
    const page = await readUnusedFingerprints(pool, after, cutoffs.sharedMs);
    const last = page.at(-1);
    if (last === undefined) return;
    after = last;
    const unused = page.flatMap(({ fingerprint }) =>
      fingerprints.has(fingerprint.toString('hex')) ? [] : [fingerprint],
    );
    await done('fingerprints', await deleteFingerprints(pool, unused, cutoffs.sharedMs));
  }
}

/** What saves a request when it is needed again. */
export async function pruneMemos(pruning: Pruning): Promise<void> {
  await repeat(pruning, 'object-sums', (pool) =>
    deleteOldObjectSums(pool, pruning.cutoffs.sumsMs, ROWS_PER_STEP),
  );
  await repeat(pruning, 'image-digests', (pool) =>
    deleteOldImageDigests(pool, pruning.cutoffs.sharedMs, ROWS_PER_STEP),
  );
}
