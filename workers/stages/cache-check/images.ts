/** What the images of tasks are: a tag names another image tomorrow. */
import type { TaskComponents, TaskToFingerprint } from '../../../aws/fingerprints.ts';
import { architectureFor } from '../../../core/cache/setting.ts';
import type { WhyRow } from '../../../core/cache/why.ts';
import { notCachedSentence } from '../../../core/image/image-seen.ts';
import { inTransaction } from '../../../db/client.ts';
import { addWarnings, moveTasksEach, type MoveDetails, type TaskRow } from '../../../db/tasks.ts';
import type { Runtime } from '../../runtime.ts';

/**
 * A chunk waits this long for registries. Tasks whose image is not known by then are looked at
 * again later, so that they do not hold up the others.
 */
const PATIENCE_MS = 1000;

export interface CallsWithImages<Row> {
  known: Map<Row, TaskToFingerprint>;
  /** Whether some calls are left out, because a registry has not answered yet. */
  isPending: boolean;
}

export async function seeImages<Row extends TaskRow>(
  { images, config }: Runtime,
  calls: ReadonlyMap<Row, TaskToFingerprint>,
): Promise<CallsWithImages<Row>> {
  if (!images) return { known: new Map(calls), isPending: false };
  const seen = await images.see(
    [...calls.values()].map(({ spec }) => ({
      image: spec.executors[0]?.image ?? '',
      architecture: architectureFor(spec, config),
    })),
    PATIENCE_MS,
  );
  const known = new Map<Row, TaskToFingerprint>();
  for (const [position, [row, call]] of [...calls].entries()) {
    const image = seen[position];
    if (image !== undefined && image !== 'pending') known.set(row, { ...call, image });
  }
  return { known, isPending: known.size < calls.size };
}

/**
 * So that what an entry holds was made by the image that its fingerprint names. Hex; null where the
 * image runs as it is named.
 */
export const digestToRun = (call: TaskToFingerprint | undefined): string | null =>
  call?.image && 'resolved' in call.image ? (call.image.resolved ?? null) : null;

interface UnresolvedTask {
  row: TaskRow;
  call?: TaskToFingerprint;
  described?: TaskComponents;
  /** Columns that keep the reason. */
  why: Partial<WhyRow>;
}

/** Tasks whose image is not known run uncached, and say why. Returns how many moved. */
export async function moveUnresolved(
  { database }: Runtime,
  tasks: readonly UnresolvedTask[],
  details: MoveDetails,
): Promise<number> {
  if (tasks.length === 0) return 0;
  const warnings = tasks.flatMap(({ row, call, described }) => {
    const image = call?.spec.executors[0]?.image ?? '';
    const problem = described?.imageProblem;
    return problem ? [{ id: row.id, warnings: [notCachedSentence(image, problem)] }] : [];
  });
  return inTransaction(database, async (session) => {
    await addWarnings(session, warnings, 'cache-check');
    // A task that came back may have what an earlier check found.
    const nothing = { fingerprint: null, inputsRead: null, imageDigest: null, waitsFor: null };
    const moved = tasks.map(({ row, why }) => ({ id: row.id, set: { ...nothing, ...why } }));
    return moveTasksEach(session, 'miss', moved, details);
  });
}
