/** Accepts new tasks: once this has committed, Batchwell owes an answer. */
import type { RequestKey } from '../core/access/idempotency.ts';
import type { NewTask } from '../core/task/task.ts';
import { storeSingles, type SeenTemplates } from './accept-together.ts';
import { TASKS_PER_CHANGE } from './changes.ts';
import { inTransaction, type Database, type Session, type Transaction } from './client.ts';
import { answerKey, claimKeys, type KeyClaim } from './idempotency.ts';
import {
  insertNewTasks,
  insertScatter,
  prepareTasks,
  saveTemplates,
  taskRows,
  type NewTasks,
  type Origin,
} from './new-tasks.ts';
import { select } from './rows.ts';
import { isShort } from './statement-size.ts';
import { knowOutcome } from './unavailable.ts';

/** A task, with the key of its request when the sender gave one. */
export interface TaskRequest {
  task: NewTask;
  key?: RequestKey | undefined;
}

export interface NewScatter {
  name: string;
  tags: Record<string, string>;
}

type ScatterRequest = NewScatter & { key?: RequestKey | undefined };

interface AcceptRequest extends Origin {
  /** Absent for tasks that came one by one. */
  scatter?: ScatterRequest;
  tasks: readonly TaskRequest[];
}

interface AcceptedTask {
  id: number;
  createdMs: number;
  /** False when an earlier request with the same key was answered with this task. */
  fresh: boolean;
}

interface AcceptedScatter {
  id: number;
  createdMs: number;
  /** Rows that are equal to an earlier one of the scatter. */
  equalRows: number;
}

export interface Accepted {
  /** `other-request`: its key belongs to another scatter. Nothing was stored. */
  scatter?: AcceptedScatter | 'other-request';
  /** In the order of the request. */
  tasks: (AcceptedTask | 'other-request')[];
}

/** Commits all of the tasks or none, except those that were accepted before under the same key. */
export async function acceptTasks(
  database: Database,
  request: AcceptRequest,
  seen: SeenTemplates = new Map(),
): Promise<Accepted> {
  const { scatter } = request;
  const prepared = await prepareTasks(
    request.tasks.map(({ task }) => task),
    { isScatter: scatter !== undefined },
  );
  if (!scatter && fitsTogether(request, prepared))
    return acceptTogether(database, { ...request, prepared }, seen);
  const templateIds = await saveTemplates(database, prepared, request).catch(knowOutcome);
  const tasks = { prepared, templateIds };
  return inTransaction(database, (session) =>
    scatter
      ? acceptScatter(session, request, scatter, tasks)
      : acceptSingles(session, request, tasks),
  );
}

/** One statement for each table, and all of them in one packet. */
const fitsTogether = (origin: Origin, prepared: NewTasks['prepared']): boolean =>
  prepared.length <= TASKS_PER_CHANGE &&
  isShort(taskRows(origin, { prepared, templateIds: new Map() }));

async function acceptTogether(
  database: Database,
  request: AcceptRequest & Pick<NewTasks, 'prepared'>,
  seen: SeenTemplates,
): Promise<Accepted> {
  const { tasks, prepared, nowMs } = request;
  let claims: TaskClaim[] = [];
  const ids = await storeSingles(
    database,
    {
      ...request,
      keys: tasks.flatMap(({ key }) => key ?? []),
      choose(claimed) {
        claims = judgeTasks(tasks, claimed);
        return prepared.flatMap((task, position) =>
          claims[position] === 'mine' ? { task, key: tasks[position]?.key } : [],
        );
      },
    },
    seen,
  );
  return { tasks: answersTo(claims, ids, nowMs) };
}

async function acceptScatter(
  session: Transaction,
  request: AcceptRequest,
  { key, ...scatter }: ScatterRequest,
  tasks: NewTasks,
): Promise<Accepted> {
  const { owner, nowMs } = request;
  const [claim = 'mine'] = key ? await claimKeys(session, owner, [key], nowMs) : [];
  if (claim === 'other-request') return { scatter: claim, tasks: [] };
  if (claim !== 'mine') return readAccepted(session, claim);
  const size = tasks.prepared.length;
  const scatterId = await insertScatter(session, request, { ...scatter, size });
  if (key) await answerKey(session, owner, { key, scatterId });
  const ids = await insertNewTasks(session, request, tasks, scatterId);
  return {
    scatter: { id: scatterId, createdMs: nowMs, equalRows: countEqual(tasks.prepared) },
    tasks: ids.map((id) => ({ id, createdMs: nowMs, fresh: true })),
  };
}

/** Tasks that are too long for one statement. */
async function acceptSingles(
  session: Transaction,
  request: AcceptRequest,
  { prepared, templateIds }: NewTasks,
): Promise<Accepted> {
  const { owner, tasks, nowMs } = request;
  const keys = tasks.flatMap(({ key }) => key ?? []);
  const claims = judgeTasks(tasks, await claimKeys(session, owner, keys, nowMs));
  const fresh = prepared.filter((_, position) => claims[position] === 'mine');
  const ids = await insertNewTasks(session, request, { prepared: fresh, templateIds });
  const answers = answersTo(claims, ids, nowMs);
  for (const [position, { key }] of tasks.entries()) {
    const answer = answers[position];
    if (key && claims[position] === 'mine' && answer && answer !== 'other-request')
      await answerKey(session, owner, { key, taskId: answer.id });
  }
  return { tasks: answers };
}

/** `sameAs`: the position of an earlier task of this group that is the same request. */
type TaskClaim = KeyClaim | { sameAs: number };

/** @param claimed a claim for each task that has a key */
function judgeTasks(tasks: readonly TaskRequest[], claimed: readonly KeyClaim[]): TaskClaim[] {
  const claims = claimed.values();
  const first = new Map<string, number>();
  return tasks.map(({ key }, position) => {
    const claim = key === undefined ? 'mine' : (claims.next().value ?? 'mine');
    if (key === undefined || claim !== 'mine') return claim;
    const hex = key.digest.toString('hex');
    const sameAs = first.get(hex) ?? position;
    first.set(hex, sameAs);
    if (sameAs === position) return claim;
    const differs = tasks[sameAs]?.key?.request.equals(key.request) !== true;
    return key.chosen && differs ? 'other-request' : { sameAs };
  });
}

/** @param ids of the tasks whose claim is `mine` */
function answersTo(
  claims: readonly TaskClaim[],
  ids: readonly number[],
  nowMs: number,
): (AcceptedTask | 'other-request')[] {
  const next = ids.values();
  const made = claims.map((claim) => (claim === 'mine' ? next.next().value : undefined));
  return claims.map((claim, position) => answerOf(claim, { position, made }, nowMs));
}

function answerOf(
  claim: TaskClaim,
  { position, made }: { position: number; made: readonly (number | undefined)[] },
  nowMs: number,
): AcceptedTask | 'other-request' {
  if (claim === 'other-request') return claim;
  if (typeof claim === 'object' && 'id' in claim) return { ...claim, fresh: false };
  const first = claim === 'mine' ? position : claim.sameAs;
  return { id: made[first] ?? 0, createdMs: nowMs, fresh: first === position };
}

const countEqual = (tasks: readonly { replicate: number }[]): number =>
  tasks.filter(({ replicate }) => replicate > 0).length;

async function readAccepted(
  session: Session,
  scatter: { id: number; createdMs: number },
): Promise<Accepted> {
  const rows = await select<{ id: number; createdMs: number; replicate: number }>(
    session,
    `SELECT id, created_ms AS createdMs, replicate FROM tasks WHERE scatter_id = ?
      ORDER BY scatter_row`,
    [scatter.id],
  );
  return {
    scatter: { ...scatter, equalRows: countEqual(rows) },
    tasks: rows.map(({ id, createdMs }) => ({ id, createdMs, fresh: false })),
  };
}
