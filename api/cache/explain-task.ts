/** Why a task was a hit or a miss, from what its row keeps and from the tasks before it. */
import type { Access } from '../../core/access/access.ts';
import {
  chooseNearest,
  explainLines,
  weightOf,
  type ExplainedDecision,
  type NamedTask,
  type NearestTask,
  type PriorTask,
} from '../../core/cache/explain.ts';
import { cacheReasons, type Why } from '../../core/cache/reasons.ts';
import type { ComparedCall, Difference } from '../../core/cache/compared-call.ts';
import { differencesOf } from '../../core/cache/differences.ts';
import { whyInRow } from '../../core/cache/why.ts';
import { publicId } from '../../core/ids.ts';
import { profiles } from '../../core/profiles/profiles.ts';
import {
  findNearby,
  findRecent,
  readCheckedTasks,
  readEntriesOf,
  type CheckedTask,
} from '../../db/cache-explain.ts';
import { rfc3339 } from '../http/rfc3339.ts';
import { compareCalls, mayTellAll, type CacheContext } from './compared-calls.ts';

export interface Explained {
  lines: string[];
  decision: ExplainedDecision;
}

/** Undefined when the task is gone. */
export async function explainTask(
  context: CacheContext,
  access: Access,
  taskId: number,
): Promise<Explained | undefined> {
  const { pool } = context.database;
  const [task] = await readCheckedTasks(pool, [taskId]);
  if (!task) return undefined;
  const why = whyInRow(task);
  const named = await readCheckedTasks(
    pool,
    [why?.sourceId, task.waitsFor ?? undefined].filter((id) => id !== undefined),
  );
  const sources = new Map(named.map((one) => [one.id, one]));
  const calls = await compareCalls(context, access, [task]);
  const call = calls.get(task.id);
  const isTold = call !== undefined && mayTellAll(context, access, call.spec);
  const nearest =
    call && why?.reason === 'no-entry'
      ? await chooseFor(context, access, { task, call })
      : undefined;
  const decision = decisionOf({ task, why: tellable(why, isTold), sources, nearest });
  const invalid = why && isTold ? await invalidReason(context, why, task.owner) : undefined;
  const told = { ...decision, ...(invalid !== undefined && { invalidReason: invalid }) };
  return { decision: told, lines: explainLines(told) };
}

/** Why an input has no identity tells whether its object exists. */
export const tellable = (why: Why | undefined, isTold: boolean): Why | undefined =>
  why && !isTold && cacheReasons[why.reason].verdict === 'uncached'
    ? { ...why, reason: 'input-denied' }
    : why;

/** Told to the owner of the entry alone: it names objects, or says what that owner wrote. */
async function invalidReason(
  { database }: CacheContext,
  { reason, sourceId }: Why,
  owner: string,
): Promise<string | undefined> {
  if (reason !== 'outputs-gone' || sourceId === undefined) return undefined;
  const entry = (await readEntriesOf(database.pool, [sourceId])).get(sourceId);
  return entry?.owner === owner ? (entry.invalidReason ?? undefined) : undefined;
}

interface DecisionFacts {
  task: CheckedTask;
  why: Why | undefined;
  /** The tasks that it names, by key. */
  sources: ReadonlyMap<number, CheckedTask>;
  nearest: NearestTask | undefined;
}

export function decisionOf({ task, why, sources, nearest }: DecisionFacts): ExplainedDecision {
  const source = sources.get(why?.sourceId ?? 0);
  const leader = why ? undefined : sources.get(task.waitsFor ?? 0);
  return {
    place: task.place,
    ...(why && { why }),
    ...(source && { source: nameFor(task, source) }),
    ...(leader && { waitsFor: nameFor(task, leader) }),
    ...(task.hitMode !== null && { hitMode: task.hitMode }),
    ...(task.cacheUnkept !== null && { unkept: task.cacheUnkept }),
    ...(nearest && { nearest }),
  };
}

/** Of a task of another owner only the time is shown. */
export const nameFor = ({ owner }: CheckedTask, named: CheckedTask): NamedTask =>
  named.owner === owner
    ? { id: publicId('task', named), name: named.name, createdMs: named.createdMs }
    : { name: '', createdMs: named.createdMs };

/** Reading the scripts of these costs a request each. */
const MOST_CANONICAL = 10;
/** A task of another form and name is like it only with at most this many differences. */
const MOST_OF_A_STRANGER = 3;

/** The earlier task that is most like one, if there is one at all like it. */
export async function chooseFor(
  context: CacheContext,
  access: Access,
  { task, call }: { task: CheckedTask; call: ComparedCall },
): Promise<NearestTask | undefined> {
  const { pool } = context.database;
  const choose = async (ids: readonly number[]): Promise<NearestTask | undefined> => {
    const most = profiles[task.profile].canonical === undefined ? ids.length : MOST_CANONICAL;
    const priors = await readPriors(context, access, { task, ids: ids.slice(0, most) });
    return chooseNearest({ name: task.name, call }, priors);
  };
  const nearest = await choose(await findNearby(pool, task));
  if (nearest) return nearest;
  const stranger = await choose(await findRecent(pool, task));
  return stranger && weightOf(stranger.differences) <= MOST_OF_A_STRANGER ? stranger : undefined;
}

/** Earlier tasks of the same owner and domain, as they are compared. */
export async function readPriors(
  context: CacheContext,
  access: Access,
  { task, ids }: { task: CheckedTask; ids: readonly number[] },
): Promise<PriorTask[]> {
  const { pool } = context.database;
  const read = await readCheckedTasks(pool, ids);
  const near = read.filter(
    ({ cacheDomain, owner }) => cacheDomain === task.cacheDomain && owner === task.owner,
  );
  const [calls, entries] = [
    await compareCalls(context, access, near),
    await readEntriesOf(
      pool,
      near.map(({ id }) => id),
    ),
  ];
  return near.flatMap((prior): PriorTask[] => {
    const call = calls.get(prior.id);
    const entry = entries.get(prior.id);
    return call
      ? [
          {
            ...nameFor(task, prior),
            key: prior.id,
            place: prior.place,
            cache: prior.cache,
            call,
            ...(prior.cacheUnkept !== null && { unkept: prior.cacheUnkept }),
            ...(entry && {
              entry: {
                usable: entry.usable,
                ...(entry.invalidReason !== null &&
                  mayTellAll(context, access, call.spec) && {
                    invalidReason: entry.invalidReason,
                  }),
              },
            }),
          },
        ]
      : [];
  });
}

/** In what two tasks of the caller differ; undefined when one of them is gone. */
export async function compareTasks(
  context: CacheContext,
  access: Access,
  [hereId, thereId]: readonly [number, number],
): Promise<Difference[] | undefined> {
  const tasks = await readCheckedTasks(context.database.pool, [hereId, thereId]);
  const calls = await compareCalls(context, access, tasks);
  const [here, there] = [calls.get(hereId), calls.get(thereId)];
  return here && there && differencesOf(here, there);
}

/** The decision as the API shows it. */
export const showDecision = ({ decision: { why, source, nearest, unkept }, lines }: Explained) => ({
  explanation: lines,
  ...(why && {
    decision: {
      verdict: cacheReasons[why.reason].verdict,
      reason: why.reason,
      ...(why.subject !== undefined && { subject: why.subject }),
      ...(source?.id !== undefined && { source: source.id }),
    },
  }),
  ...(unkept !== undefined && { not_kept: unkept }),
  ...(nearest && {
    nearest: {
      ...(nearest.prior.id !== undefined && { task: nearest.prior.id }),
      name: nearest.prior.name,
      created: rfc3339(nearest.prior.createdMs),
      differences: nearest.differences,
    },
  }),
});
