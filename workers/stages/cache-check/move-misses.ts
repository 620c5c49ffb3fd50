/** Moves the tasks that have to run: to stage-script, or past it where their script is in S3 already. */
import type { WhyRow } from '../../../core/cache/why.ts';
import { moveTasksEach, type MoveDetails, type MovedTask } from '../../../db/tasks.ts';
import { taskNudges, type Nudge } from '../../../queues/messages.ts';
import type { Runtime } from '../../runtime.ts';
import { shapesOfStaged } from '../stage-script/shapes.ts';
import type { CheckedTask } from './checked-task.ts';
import { digestToRun, moveUnresolved } from './images.ts';

export interface MissedTask extends CheckedTask {
  /** Columns that keep the reason. */
  why: Partial<WhyRow>;
}

interface Missed {
  moved: { miss: number; 'miss-staged': number };
  next: Nudge[];
}

/** The columns that keep what a task was looked up by. */
export const madeOf = ({ fingerprint, described, call }: CheckedTask) => ({
  fingerprint: fingerprint?.toString('hex') ?? null,
  inputsRead: described?.read ?? null,
  imageDigest: digestToRun(call),
  waitsFor: null,
});

export async function moveMisses(
  runtime: Runtime,
  misses: readonly MissedTask[],
  details: MoveDetails,
): Promise<Missed> {
  const { pool } = runtime.database;
  const isUnresolved = ({ described }: MissedTask): boolean =>
    described?.imageProblem !== undefined;
  const resolved = misses.filter((one) => !isUnresolved(one));
  const shapes = await shapesOf(runtime, resolved);
  const moved = { miss: 0, 'miss-staged': 0 };
  // All of one statement set the same columns.
  const kinds = Object.groupBy(resolved, ({ call }) => (call ? 'known' : 'uncached'));
  for (const kind of Object.values(kinds)) {
    const { miss = [], 'miss-staged': staged = [] } = Object.groupBy(kind, ({ row }) =>
      shapes.has(row.id) ? 'miss-staged' : 'miss',
    );
    moved.miss += await moveTasksEach(pool, 'miss', miss.map(columnsOf), details);
    const shaped = staged.map((one): MovedTask => {
      const { id, set } = columnsOf(one);
      return { id, set: { ...set, shape: shapes.get(id) ?? null } };
    });
    moved['miss-staged'] += await moveTasksEach(pool, 'miss-staged', shaped, details);
  }
  moved.miss += await moveUnresolved(runtime, misses.filter(isUnresolved), details);
  const toStage = misses.flatMap(({ row }) => (shapes.has(row.id) ? [] : [row.id]));
  return {
    moved,
    next: [
      ...taskNudges('stage-script', toStage, runtime.config.chunkSize),
      ...[...new Set(shapes.values())].map((shape): Nudge => ({
        stage: 'submit',
        message: { shape },
      })),
    ],
  };
}

const columnsOf = (one: MissedTask): MovedTask => ({
  id: one.row.id,
  set: { ...(one.call ? madeOf(one) : {}), ...one.why },
});

const bytesOf = (hex: string | null): Buffer | null =>
  hex === null ? null : Buffer.from(hex, 'hex');

/** The shapes (hex) of those whose script is in S3, by task. */
async function shapesOf(
  runtime: Runtime,
  misses: readonly MissedTask[],
): Promise<Map<number, string>> {
  const templates = await runtime.templates.read(
    runtime.database.pool,
    misses.map(({ row }) => row.templateId),
  );
  const tasks = misses.map(
    ({ row: { id, owner, templateId, memoryGrowths, hostLosses, imageDigest }, call }) => ({
      id,
      owner,
      templateId,
      memoryGrowths,
      hostLosses,
      imageDigest: call ? bytesOf(digestToRun(call)) : imageDigest,
    }),
  );
  return shapesOfStaged(runtime, templates, tasks);
}
