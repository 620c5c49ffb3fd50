/** Takes new tasks into the database: the moment from which Batchwell owes an answer. */
import type { RequestKey } from '../core/access/idempotency.ts';
import { sha256 } from '../core/ids.ts';
import type { NewTask } from '../core/task/task.ts';
import { hoistConstants, splitTask, type Template } from '../core/task/template.ts';
import { tellOfChange } from './changes.ts';
import { inTransaction, type Database, type Session, type Transaction } from './client.ts';
import { answerKeys, claimKeys, type KeyClaim } from './idempotency.ts';
import { select, selectFirst, write } from './rows.ts';
import { inParts } from './statement-size.ts';

export interface NewScatter {
  name: string;
  tags: Record<string, string>;
}

/** A task, and which request it is when its sender said so. */
export interface TaskRequest {
  task: NewTask;
  key?: RequestKey | undefined;
}

export interface AcceptRequest {
  owner: string;
  /** Whose call cache the tasks share. */
  cacheDomain: string;
  /** Absent for tasks that came one by one. */
  scatter?: NewScatter & { key?: RequestKey | undefined };
  tasks: readonly TaskRequest[];
  nowMs: number;
  /** When the sweeper should look after them, should their first message be lost. */
  dueMs: number;
}

export interface AcceptedTask {
  id: number;
  createdMs: number;
  /** False for the answer to a request that was made before. */
  fresh: boolean;
}

export interface Accepted {
  /** `other-request`: its key belongs to another scatter; nothing was stored. */
  scatter?: { id: number; createdMs: number } | 'other-request';
  /** In the order of the request. */
  tasks: (AcceptedTask | 'other-request')[];
}

interface PreparedTask {
  task: NewTask;
  template: Template;
  values: string[];
}

/** Commits all of the tasks or none, but for those that were accepted before under the same key. */
export async function acceptTasks(database: Database, request: AcceptRequest): Promise<Accepted> {
  const prepared = prepareTasks(
    request.tasks.map(({ task }) => task),
    { hoist: request.scatter !== undefined },
  );
  const templateIds = await saveTemplates(database, prepared, request.nowMs);
  return inTransaction(database, (session) =>
    request.scatter
      ? acceptScatter(session, request, request.scatter, { prepared, templateIds })
      : acceptSingles(session, request, { prepared, templateIds }),
  );
}

async function acceptScatter(
  session: Transaction,
  request: AcceptRequest,
  scatter: NewScatter & { key?: RequestKey | undefined },
  rows: Rows,
): Promise<Accepted> {
  const { owner, nowMs } = request;
  const [claim = 'mine'] = scatter.key ? await claimKeys(session, owner, [scatter.key], nowMs) : [];
  if (claim === 'other-request') return { scatter: claim, tasks: [] };
  if (claim !== 'mine') return { scatter: claim, tasks: await readScatterTasks(session, claim.id) };
  const scatterId = await insertScatter(session, request, scatter);
  if (scatter.key) await answerKeys(session, owner, [{ key: scatter.key, scatterId }]);
  const ids = await insertAll(session, request, rows, scatterId);
  return {
    scatter: { id: scatterId, createdMs: nowMs },
    tasks: ids.map((id) => ({ id, createdMs: nowMs, fresh: true })),
  };
}

async function acceptSingles(
  session: Transaction,
  request: AcceptRequest,
  { prepared, templateIds }: Rows,
): Promise<Accepted> {
  const { owner, nowMs } = request;
  const answers = await answeredBefore(session, request);
  const ids = await insertAll(
    session,
    request,
    { prepared: prepared.filter((_, position) => answers[position] === 'mine'), templateIds },
    undefined,
  );
  const made = answers.map((answer) => (answer === 'mine' ? ids.shift() : undefined));
  await answerKeys(
    session,
    owner,
    request.tasks.flatMap(({ key }, position) =>
      key && made[position] !== undefined ? [{ key, taskId: made[position] }] : [],
    ),
  );
  return {
    tasks: answers.map((answer, position) => {
      if (answer === 'other-request') return answer;
      if (typeof answer === 'object' && 'id' in answer) return { ...answer, fresh: false };
      const first = answer === 'mine' ? position : answer.sameAs;
      return { id: made[first] ?? 0, createdMs: nowMs, fresh: first === position };
    }),
  };
}

/** Of each task: whether it was accepted before, is to be made now, or is the same request as an earlier one of this group. */
async function answeredBefore(
  session: Session,
  { owner, tasks, nowMs }: AcceptRequest,
): Promise<(KeyClaim | { sameAs: number })[]> {
  const claims = await claimKeys(
    session,
    owner,
    tasks.flatMap(({ key }) => key ?? []),
    nowMs,
  );
  const first = new Map<string, number>();
  return tasks.map(({ key }, position) => {
    const claim = key === undefined ? 'mine' : (claims.shift() ?? 'mine');
    if (key === undefined || claim !== 'mine') return claim;
    const hex = key.digest.toString('hex');
    const sameAs = first.get(hex) ?? position;
    first.set(hex, sameAs);
    if (sameAs === position) return claim;
    return key.chosen && tasks[sameAs]?.key?.request.equals(key.request) !== true
      ? 'other-request'
      : { sameAs };
  });
}

async function insertAll(
  session: Transaction,
  request: AcceptRequest,
  rows: Rows,
  scatterId: number | undefined,
): Promise<number[]> {
  const taskIds: number[] = [];
  for (const part of inParts(taskRows(request, rows, scatterId))) {
    const ids = await insertTasks(session, part);
    await insertTags(
      session,
      rows.prepared.slice(taskIds.length, taskIds.length + part.length),
      ids,
    );
    taskIds.push(...ids);
  }
  await tellOfChange(session, taskIds, { ended: false });
  return taskIds;
}

async function readScatterTasks(session: Session, scatterId: number): Promise<AcceptedTask[]> {
  const rows = await select<{ id: number; createdMs: number }>(
    session,
    'SELECT id, created_ms AS createdMs FROM tasks WHERE scatter_id = ? ORDER BY scatter_row',
    [scatterId],
  );
  return rows.map(({ id, createdMs }) => ({ id, createdMs, fresh: false }));
}

/**
 * Splits the tasks; those of equal structure share one template, and in a scatter give their common texts to it.
 * Tasks that came one by one are not compared: who else came in the same moment must not decide their template.
 */
function prepareTasks(tasks: readonly NewTask[], { hoist }: { hoist: boolean }): PreparedTask[] {
  const prepared: PreparedTask[] = tasks.map((task) => ({ task, ...splitTask(task.spec) }));
  const groups = Map.groupBy(prepared, ({ template }) => JSON.stringify(template));
  for (const group of groups.values()) {
    const [first] = group;
    if (!first) continue;
    const shared = hoist
      ? hoistConstants(
          first.template,
          group.map(({ values }) => values),
        )
      : { template: first.template };
    group.forEach((one, row) => {
      one.template = shared.template;
      if ('rows' in shared) one.values = shared.rows[row] ?? [];
    });
  }
  return prepared;
}

/**
 * Templates are committed before the tasks that name them: they are shared by content, so one left over by a
 * failed request harms nobody, while inserting them inside would make equal requests wait for each other.
 */
async function saveTemplates(
  database: Database,
  prepared: readonly PreparedTask[],
  nowMs: number,
): Promise<Map<Template, number>> {
  const ids = new Map<Template, number>();
  for (const template of new Set(prepared.map((one) => one.template))) {
    const body = JSON.stringify(template);
    const digest = sha256(body);
    const find = async () => {
      const row = await selectFirst<{ id: number }>(
        database.pool,
        'SELECT id FROM templates WHERE digest = ?',
        [digest],
      );
      return row?.id;
    };
    let id = await find();
    if (id === undefined) {
      await write(
        database.pool,
        'INSERT IGNORE INTO templates (digest, body, created_ms) VALUES (?, ?, ?)',
        [digest, body, nowMs],
      );
      id = await find();
    }
    if (id === undefined)
      throw new Error(
        `Template ${digest.toString('hex')} is not in the database right after it was written.`,
      );
    ids.set(template, id);
  }
  return ids;
}

async function insertScatter(
  session: Session,
  request: AcceptRequest,
  scatter: NewScatter,
): Promise<number> {
  const result = await write(
    session,
    'INSERT INTO scatters (owner, name, size, tags, created_ms) VALUES (?, ?, ?, ?, ?)',
    [
      request.owner,
      scatter.name,
      request.tasks.length,
      JSON.stringify(scatter.tags),
      request.nowMs,
    ],
  );
  return result.insertId;
}

interface Rows {
  prepared: readonly PreparedTask[];
  templateIds: Map<Template, number>;
}

function taskRows(
  request: AcceptRequest,
  { prepared, templateIds }: Rows,
  scatterId: number | undefined,
): unknown[][] {
  return prepared.map(({ task, template, values }, position) => [
    request.owner,
    request.cacheDomain,
    scatterId ?? null,
    scatterId === undefined ? null : position,
    task.name,
    task.description,
    JSON.stringify(task.tags),
    templateIds.get(template),
    JSON.stringify(values),
    task.cache,
    task.profile,
    task.warnings && task.warnings.length > 0 ? JSON.stringify(task.warnings) : null,
    'cache-check',
    request.nowMs,
    request.dueMs,
    request.nowMs,
  ]);
}

async function insertTasks(
  session: Session,
  rows: readonly (readonly unknown[])[],
): Promise<number[]> {
  const result = await write(
    session,
    'INSERT INTO tasks (owner, cache_domain, scatter_id, scatter_row, name, description, tags, template_id, slot_values, cache, profile, warnings, place, moved_ms, due_ms, created_ms) VALUES ?',
    [rows],
  );
  return consecutiveIds(session, result.insertId, rows.length);
}

/** The ids of one multi-row INSERT: InnoDB gives them in a row, a step apart (the step is 1 but for multi-primary clusters). */
async function consecutiveIds(session: Session, first: number, count: number): Promise<number[]> {
  const read =
    count > 1
      ? await selectFirst<{ step: number }>(session, 'SELECT @@auto_increment_increment AS step')
      : undefined;
  const step = read?.step ?? 1;
  return Array.from({ length: count }, (_, position) => first + position * step);
}

async function insertTags(
  session: Session,
  part: readonly PreparedTask[],
  ids: readonly number[],
): Promise<void> {
  const rows = part.flatMap(({ task }, position) =>
    Object.entries(task.tags).map(([tagKey, tagValue]) => [tagKey, tagValue, ids[position]]),
  );
  for (const part of inParts(rows))
    await write(session, 'INSERT INTO task_tags (tag_key, tag_value, task_id) VALUES ?', [part]);
}
