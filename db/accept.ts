/** Takes new tasks into the database: the moment from which Batchwell owes an answer. */
import type { RowDataPacket, ResultSetHeader } from 'mysql2/promise';
import { sha256 } from '../core/ids.ts';
import type { NewTask } from '../core/task.ts';
import { hoistConstants, splitTask, type Template } from '../core/template.ts';
import { inTransaction, type Database, type Session } from './client.ts';
import { inParts } from './parts.ts';

export interface NewScatter {
  name: string;
  tags: Record<string, string>;
}

export interface AcceptRequest {
  owner: string;
  /** Absent for tasks that came one by one. */
  scatter?: NewScatter;
  tasks: readonly NewTask[];
  nowMs: number;
  /** When the sweeper should look after them, should their first message be lost. */
  dueMs: number;
}

export interface Accepted {
  scatterId?: number;
  /** In the order of the request. */
  taskIds: number[];
}

interface PreparedTask {
  task: NewTask;
  template: Template;
  values: string[];
}

/** Commits all of the tasks or none. */
export async function acceptTasks(database: Database, request: AcceptRequest): Promise<Accepted> {
  const prepared = prepareTasks(request.tasks, { hoist: request.scatter !== undefined });
  const templateIds = await saveTemplates(database, prepared, request.nowMs);
  return inTransaction(database, async (session) => {
    const scatterId = request.scatter && (await insertScatter(session, request, request.scatter));
    const taskIds: number[] = [];
    for (const rows of inParts(taskRows(request, { scatterId, prepared, templateIds }))) {
      const ids = await insertTasks(session, rows);
      await insertTags(session, prepared.slice(taskIds.length, taskIds.length + rows.length), ids);
      taskIds.push(...ids);
    }
    return { taskIds, ...(scatterId === undefined ? {} : { scatterId }) };
  });
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
    const shared = hoist ? hoistConstants(first.template, group.map(({ values }) => values)) : { template: first.template };
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
async function saveTemplates(database: Database, prepared: readonly PreparedTask[], nowMs: number): Promise<Map<Template, number>> {
  const ids = new Map<Template, number>();
  for (const template of new Set(prepared.map((one) => one.template))) {
    const body = JSON.stringify(template);
    const digest = sha256(body);
    const find = async () => {
      const [rows] = await database.pool.query<RowDataPacket[]>('SELECT id FROM templates WHERE digest = ?', [digest]);
      return rows[0]?.['id'] as number | undefined;
    };
    let id = await find();
    if (id === undefined) {
      await database.pool.query('INSERT IGNORE INTO templates (digest, body, created_ms) VALUES (?, ?, ?)', [digest, body, nowMs]);
      id = await find();
    }
    if (id === undefined) throw new Error(`Template ${digest.toString('hex')} is not in the database right after it was written.`);
    ids.set(template, id);
  }
  return ids;
}

async function insertScatter(session: Session, request: AcceptRequest, scatter: NewScatter): Promise<number> {
  const [result] = await session.query<ResultSetHeader>('INSERT INTO scatters (owner, name, size, tags, created_ms) VALUES (?, ?, ?, ?, ?)', [
    request.owner, scatter.name, request.tasks.length, JSON.stringify(scatter.tags), request.nowMs,
  ]);
  return result.insertId;
}

interface Rows {
  scatterId: number | undefined;
  prepared: readonly PreparedTask[];
  templateIds: Map<Template, number>;
}

function taskRows(request: AcceptRequest, { scatterId, prepared, templateIds }: Rows): unknown[][] {
  return prepared.map(({ task, template, values }, position) => [
    request.owner,
    scatterId ?? null,
    scatterId === undefined ? null : position,
    task.name,
    task.description,
    JSON.stringify(task.tags),
    templateIds.get(template),
    JSON.stringify(values),
    task.cache,
    task.warnings && task.warnings.length > 0 ? JSON.stringify(task.warnings) : null,
    'cache-check',
    request.nowMs,
    request.dueMs,
    request.nowMs,
  ]);
}

async function insertTasks(session: Session, rows: readonly (readonly unknown[])[]): Promise<number[]> {
  const [result] = await session.query<ResultSetHeader>(
    'INSERT INTO tasks (owner, scatter_id, scatter_row, name, description, tags, template_id, slot_values, cache, warnings, place, moved_ms, due_ms, created_ms) VALUES ?',
    [rows],
  );
  return consecutiveIds(session, result.insertId, rows.length);
}

/** The ids of one multi-row INSERT: InnoDB gives them in a row, a step apart (the step is 1 but for multi-primary clusters). */
async function consecutiveIds(session: Session, first: number, count: number): Promise<number[]> {
  const [rows] = count > 1 ? await session.query<RowDataPacket[]>('SELECT @@auto_increment_increment AS step') : [[{ step: 1 }]];
  const step = Number(rows[0]?.['step'] ?? 1);
  return Array.from({ length: count }, (_, position) => first + position * step);
}

async function insertTags(session: Session, part: readonly PreparedTask[], ids: readonly number[]): Promise<void> {
  const rows = part.flatMap(({ task }, position) => Object.entries(task.tags).map(([tagKey, tagValue]) => [tagKey, tagValue, ids[position]]));
  for (const part of inParts(rows)) await session.query('INSERT INTO task_tags (tag_key, tag_value, task_id) VALUES ?', [part]);
}
