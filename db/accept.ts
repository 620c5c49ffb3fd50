/** Accepts new tasks: once this has committed, Batchwell owes an answer. */
import type { RequestKey } from '../core/access/idempotency.ts';
import type { NewTask } from '../core/task/task.ts';
import { inTransaction, type Database, type Session, type Transaction } from './client.ts';
import { answerKeys, claimKeys, type KeyClaim } from './idempotency.ts';
import {
  insertNewTasks,
  insertScatter,
  prepareTasks,
  saveTemplates,
  type NewTasks,
  type Origin,
} from './new-tasks.ts';
import { select } from './rows.ts';
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
export async function acceptTasks(database: Database, request: AcceptRequest): Promise<Accepted> {
  const { scatter } = request;
  const prepared = await prepareTasks(
    request.tasks.map(({ task }) => task),
    { isScatter: scatter !== undefined },
  );
  const templateIds = await saveTemplates(database, prepared, request).catch(knowOutcome);
  const tasks = { prepared, templateIds };
  return inTransaction(database, (session) =>
    scatter
      ? acceptScatter(session, request, scatter, tasks)
      : acceptSingles(session, request, tasks),
  );
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
  if (key) await answerKeys(session, owner, [{ key, scatterId }]);
  const ids = await insertNewTasks(session, request, tasks, scatterId);
  return {
    scatter: { id: scatterId, createdMs: nowMs, equalRows: countEqual(tasks.prepared) },
    tasks: ids.map((id) => ({ id, createdMs: nowMs, fresh: true })),
  };
}

async function acceptSingles(
  session: Transaction,
  request: AcceptRequest,
  { prepared, templateIds }: NewTasks,
): Promise<Accepted> {
  const claims = await claimTasks(session, request);
  const fresh = prepared.filter((_, position) => claims[position] === 'mine');
  const ids = await insertNewTasks(session, request, { prepared: fresh, templateIds });
  const made = claims.map((claim) => (claim === 'mine' ? ids.shift() : undefined));
  await answerKeys(session, request.owner, answersOf(request.tasks, made));
  return {
    tasks: claims.map((claim, position) => answerOf(claim, { position, made }, request.nowMs)),
  };
}

/** `sameAs`: the position of an earlier task of this group that is the same request. */
type TaskClaim = KeyClaim | { sameAs: number };

async function claimTasks(
  session: Session,
  { owner, tasks, nowMs }: AcceptRequest,
): Promise<TaskClaim[]> {
  const keys = tasks.flatMap(({ key }) => key ?? []);
  const claims = await claimKeys(session, owner, keys, nowMs);
  const first = new Map<string, number>();
  return tasks.map(({ key }, position) => {
    const claim = key === undefined ? 'mine' : (claims.shift() ?? 'mine');
    if (key === undefined || claim !== 'mine') return claim;
    const hex = key.digest.toString('hex');
    const sameAs = first.get(hex) ?? position;
    first.set(hex, sameAs);
    if (sameAs === position) return claim;
    const differs = tasks[sameAs]?.key?.request.equals(key.request) !== true;
    return key.chosen && differs ? 'other-request' : { sameAs };
  });
}

/** What is remembered under the keys of the tasks that were made. */
const answersOf = (
  tasks: readonly TaskRequest[],
  made: readonly (number | undefined)[],
): { key: RequestKey; taskId: number }[] =>
  tasks.flatMap(({ key }, position) => {
    const taskId = made[position];
    return key && taskId !== undefined ? [{ key, taskId }] : [];
  });

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
