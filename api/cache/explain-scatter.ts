/** Why the tasks of a scatter were hits or misses, grouped: `9,812 of 10,000: input ref.fa changed`. */
import { append } from '../../core/append.ts';
import { setImmediate } from 'node:timers/promises';
import type { Access } from '../../core/access/access.ts';
import type { ComparedCall } from '../../core/cache/compared-call.ts';
import {
  briefOf,
  chooseNearest,
  type NearestTask,
  type PriorTask,
} from '../../core/cache/explain.ts';
import {
  groupLine,
  groupRows,
  type ExplainedGroup,
  type ExplainedRow,
} from '../../core/cache/group.ts';
import { cacheReasons } from '../../core/cache/reasons.ts';
import { whyInRow } from '../../core/cache/why.ts';
import { publicId } from '../../core/ids.ts';
import {
  findNearby,
  readCheckedRows,
  readCheckedTasks,
  type CheckedTask,
} from '../../db/cache-explain.ts';
import { compareCalls, tellableTasks, type CacheContext } from './compared-calls.ts';
import { decisionOf, readPriors, tellable } from './explain-task.ts';

const ROWS_AT_ONCE = 500;
/** Beside the same row of the scatters before; comparing with more takes longer than it tells. */
const MOST_OTHERS = 5;
const ROWS_AROUND = 2;

export interface ExplainedScatter {
  groups: ExplainedGroup[];
  lines: string[];
}

export async function explainScatter(
  context: CacheContext,
  access: Access,
  scatter: { id: number; size: number },
): Promise<ExplainedScatter> {
  const rows: ExplainedRow[] = [];
  let earlier: Earlier | undefined;
  for (let fromRow = 0; fromRow < scatter.size; fromRow += ROWS_AT_ONCE) {
    const range = { fromRow, toRow: fromRow + ROWS_AT_ONCE - 1 };
    const tasks = await readCheckedRows(context.database.pool, scatter.id, range);
    const missed = tasks.filter((task) => whyInRow(task)?.reason === 'no-entry');
    const [first] = missed;
    if (first) earlier ??= await findEarlier(context, access, first);
    append(rows, await explainPage(context, access, { tasks, missed, earlier, range }));
    await setImmediate();
  }
  const groups = groupRows(rows);
  return { groups, lines: groups.map((group) => groupLine(group, scatter.size)) };
}

/** Looked for once for the whole scatter. */
interface Earlier {
  scatterId: number | undefined;
  /** Single tasks like its first. */
  others: PriorTask[];
}

async function findEarlier(
  context: CacheContext,
  access: Access,
  task: CheckedTask,
): Promise<Earlier> {
  const ids = await findNearby(context.database.pool, task);
  const near = await readCheckedTasks(context.database.pool, ids);
  const scatterIds = near.flatMap(({ scatterId }) => scatterId ?? []);
  const single = near.filter(({ scatterId }) => scatterId === null);
  return {
    scatterId: scatterIds.length === 0 ? undefined : scatterIds.reduce((a, b) => Math.max(a, b)),
    others: await readPriors(context, access, {
      task,
      ids: single.slice(0, MOST_OTHERS).map(({ id }) => id),
    }),
  };
}

interface Page {
  tasks: readonly CheckedTask[];
  /** Those that missed because there was no entry. */
  missed: readonly CheckedTask[];
  earlier: Earlier | undefined;
  range: { fromRow: number; toRow: number };
}

async function explainPage(
  context: CacheContext,
  access: Access,
  { tasks, missed, earlier, range }: Page,
): Promise<ExplainedRow[]> {
  const calls = await compareCalls(context, access, missed);
  const told = await tellableTasks(context, access, tasks.filter(isUncached));
  const before = earlier
    ? await readBefore(context, access, { missed, earlier, range })
    : undefined;
  return tasks.map((task) => {
    const call = calls.get(task.id);
    const nearest = call && before && nearestRow(task, call, before);
    const why = tellable(whyInRow(task), told.has(task.id));
    return {
      id: publicId('task', task),
      brief: briefOf(decisionOf({ task, why, sources: new Map(), nearest })),
    };
  });
}

const isUncached = (task: CheckedTask): boolean => {
  const why = whyInRow(task);
  return why !== undefined && cacheReasons[why.reason].verdict === 'uncached';
};

interface Before {
  byRow: ReadonlyMap<number, PriorTask>;
  others: readonly PriorTask[];
}

async function readBefore(
  context: CacheContext,
  access: Access,
  { missed, earlier, range }: Pick<Page, 'missed' | 'range'> & { earlier: Earlier },
): Promise<Before> {
  const [task] = missed;
  if (!task || earlier.scatterId === undefined) return { byRow: new Map(), others: earlier.others };
  const rows = await readCheckedRows(context.database.pool, earlier.scatterId, {
    fromRow: Math.max(0, range.fromRow - ROWS_AROUND),
    toRow: range.toRow + ROWS_AROUND,
  });
  const rowOf = new Map(rows.map((row) => [row.id, row.scatterRow ?? 0]));
  const priors = await readPriors(context, access, { task, ids: [...rowOf.keys()] });
  return {
    byRow: new Map(priors.map((prior) => [rowOf.get(prior.key) ?? 0, prior])),
    others: earlier.others,
  };
}

/** The same row where it differs in one part only, which is the usual case; else the most similar of those around. */
function nearestRow(
  { name, scatterRow }: CheckedTask,
  call: ComparedCall,
  { byRow, others }: Before,
): NearestTask | undefined {
  const row = scatterRow ?? 0;
  const same = byRow.get(row);
  const nearest = same && chooseNearest({ name, call }, [same]);
  if (nearest && nearest.differences.length <= 1) return nearest;
  const around = Array.from({ length: 2 * ROWS_AROUND + 1 }, (_, at) => row - ROWS_AROUND + at);
  const candidates = [...around.flatMap((one) => byRow.get(one) ?? []), ...others];
  return chooseNearest({ name, call }, candidates);
}
