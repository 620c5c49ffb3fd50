/** One round of pruning, and how its steps follow each other. */
import type { Cutoffs } from '../../../core/retention.ts';
import type { Session } from '../../../db/client.ts';
import { ROWS_PER_STEP, type Walked } from '../../../db/retention.ts';
import type { PrunedRows } from '../../../telemetry/families/pruning.ts';
import type { Runtime } from '../../runtime.ts';

export interface Pruning {
  runtime: Runtime;
  cutoffs: Cutoffs;
  /** Counts rows that a step has deleted, and pauses. Throws when the round has to stop. */
  done(what: PrunedRows, rows: number): Promise<void>;
}

/** Steps until one has looked at all that is old. */
export async function walk(
  { runtime, done }: Pruning,
  what: PrunedRows,
  step: (session: Session, after: number) => Promise<Walked>,
): Promise<void> {
  for (let after: number | undefined = 0; after !== undefined;) {
    const { next, deleted }: Walked = await step(runtime.database.pool, after);
    await done(what, deleted);
    after = next;
  }
}

/** Steps until one finds less than it could have deleted. */
export async function repeat(
  { runtime, done }: Pruning,
  what: PrunedRows,
  step: (session: Session) => Promise<number>,
): Promise<void> {
  for (let more = true; more;) {
    const deleted = await step(runtime.database.pool);
    await done(what, deleted);
    more = deleted === ROWS_PER_STEP;
  }
}
