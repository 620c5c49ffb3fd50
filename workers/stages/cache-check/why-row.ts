/** The reason of a decision, as the columns of the task's row keep it. */
import type { TaskComponents, TaskToFingerprint } from '../../../aws/fingerprints.ts';
import type { CacheDecision } from '../../../core/cache/decide-hit.ts';
import { lostInRow, rowOfWhy, whyOf, type WhyRow } from '../../../core/cache/why.ts';
import type { TaskRow } from '../../../db/tasks.ts';

interface Decided {
  row: TaskRow;
  hasOutputs: boolean;
  call?: TaskToFingerprint;
  described?: TaskComponents;
}

/** Null while it waits: its row does not move. @param entryTaskId the task that wrote its entry */
export function whyRow(
  { row, hasOutputs, call, described }: Decided,
  decision: CacheDecision,
  entryTaskId: number | undefined,
): WhyRow | null {
  const why = whyOf(decision, {
    spec: call?.spec,
    mode: row.cache,
    hasOutputs,
    seen: described?.inputs ?? [],
    entryTaskId,
    waitedFor: row.waitsFor ?? undefined,
    lost: lostInRow(row),
  });
  return why ? rowOfWhy(why) : null;
}
