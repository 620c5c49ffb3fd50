/** New tasks as rows: templates, scatters, tasks and tags. accept.ts says when they are written. */
import { append } from '../core/append.ts';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { countReplicates } from '../core/cache/replicates.ts';
import { sha256 } from '../core/ids.ts';
import { NOTE_USE_MS } from '../core/retention.ts';
import type { NewTask } from '../core/task/task.ts';
import {
  hoistConstants,
  mapTexts,
  splitTask,
  type SplitTask,
  type Template,
  type Text,
} from '../core/task/template.ts';
import { logChange } from './changes.ts';
import type { Database, Session, Transaction } from './client.ts';
import { selectFirst, write } from './rows.ts';
import { inParts } from './statement-size.ts';
import type { Statement, Verbatim } from './trips.ts';

/** A task, split into what it shares with others and its own values. */
export interface PreparedTask extends SplitTask {
  task: NewTask;
  /** See core/cache/replicates.ts. */
  replicate: number;
}

/** What the rows of one request have in common. */
export interface Origin {
  owner: string;
  /** Whose call cache the tasks share. */
  cacheDomain: string;
  nowMs: number;
  /** When the sweeper looks at them, should their first message be lost. */
  dueMs: number;
}

export interface NewTasks {
  prepared: readonly PreparedTask[];
  templateIds: ReadonlyMap<Template, number | Verbatim>;
}

/** Rows that are split before other work of the process runs. */
const ROWS_PER_TURN = 200;

/**
 * Splits the tasks. Tasks of equal structure share one template. Those of a scatter are also
 * compared: their common texts go into the template, and equal ones are numbered. Tasks that came
 * one by one are not compared: other tasks that happen to arrive at the same moment must not decide
 * their template.
 */
export async function prepareTasks(
  tasks: readonly NewTask[],
  { isScatter }: { isScatter: boolean },
): Promise<PreparedTask[]> {
  const prepared: PreparedTask[] = [];
  const byStructure = new Map<string, PreparedTask[]>();
  const structureOf = createStructures();
  for (const task of tasks) {
    const one: PreparedTask = { task, replicate: 0, ...splitTask(task.spec) };
    const structure = structureOf(one.template);
    const group = byStructure.get(structure);
    const [first] = group ?? [];
    // At once: the templates of 10,000 rows are as large as their body.
    if (first) one.template = first.template;
    if (group) group.push(one);
    else byStructure.set(structure, [one]);
    prepared.push(one);
    if (prepared.length % ROWS_PER_TURN === 0) await nextTurn();
  }
  const groups = [...byStructure.values()];
  if (!isScatter) return prepared;
  // Rows of one structure are compared by what differs between them: a third of the time. Others
  // have different constants, so they are compared whole.
  const isUniform = groups.length === 1;
  if (!isUniform) numberReplicates(prepared);
  for (const group of groups) shareConstants(group);
  if (isUniform) numberReplicates(prepared);
  return prepared;
}

/**
 * Names the structure of a template; equal ones have equal names. A long text counts by a number: 10,000 rows with a
 * program of 1 MB would otherwise be 10 GB of JSON.
 */
function createStructures(): (template: Template) => string {
  const numbers = new Map<string, number>();
  const numberOf = (text: string): number => {
    const number = numbers.get(text) ?? numbers.size;
    numbers.set(text, number);
    return number;
  };
  return (template) =>
    JSON.stringify(
      mapTexts<Text, Text | number>(template, (text) =>
        typeof text === 'string' ? numberOf(text) : text,
      ),
    );
}

function numberReplicates(prepared: readonly PreparedTask[]): void {
  const replicates = countReplicates(prepared);
  for (const [position, one] of prepared.entries()) one.replicate = replicates[position] ?? 0;
}

function shareConstants(group: PreparedTask[]): void {
  const [first] = group;
  if (!first) return;
  const { template, rows } = hoistConstants(
    first.template,
    group.map(({ values }) => values),
  );
  for (const [row, one] of group.entries())
    Object.assign(one, { template, values: rows[row] ?? [] });
}

/**
 * Templates are committed before the tasks that name them. They are shared by content, so one that a
 * failed request leaves behind does no harm, while inserting them in the transaction would make equal
 * requests wait for each other.
 */
export async function saveTemplates(
  { pool }: Database,
  prepared: readonly PreparedTask[],
  { owner, nowMs }: Pick<Origin, 'owner' | 'nowMs'>,
): Promise<Map<Template, number>> {
  const ids = new Map<Template, number>();
  for (const template of new Set(prepared.map((one) => one.template)))
    ids.set(template, await saveTemplate(pool, template, { owner, nowMs }));
  return ids;
}

/** One for each owner: its script is among the owner's objects. */
export const templateDigest = (template: Template, owner: string): Buffer =>
  sha256(`${JSON.stringify(owner)} ${JSON.stringify(template)}`);

async function saveTemplate(
  session: Session,
  template: Template,
  { owner, nowMs }: Pick<Origin, 'owner' | 'nowMs'>,
): Promise<number> {
  const digest = templateDigest(template, owner);
  const known = await findTemplate(session, digest);
  if (known && (await noteTemplateUse(session, known, nowMs))) return known.id;
  await write(
    session,
    'INSERT IGNORE INTO templates (digest, body, created_ms, used_ms) VALUES (?, ?, ?, ?)',
    [digest, JSON.stringify(template), nowMs, nowMs],
  );
  const id = (await findTemplate(session, digest))?.id;
  if (id === undefined)
    throw new Error(
      `Template ${digest.toString('hex')} is missing from the database right after it was written.`,
    );
  return id;
}

interface KnownTemplate {
  id: number;
  usedMs: number;
}

const findTemplate = (session: Session, digest: Buffer): Promise<KnownTemplate | undefined> =>
  selectFirst<KnownTemplate>(
    session,
    'SELECT id, used_ms AS usedMs FROM templates WHERE digest = ?',
    [digest],
  );

/** Templates in use are not pruned. False when it was pruned just now. */
async function noteTemplateUse(
  session: Session,
  { id, usedMs }: KnownTemplate,
  nowMs: number,
): Promise<boolean> {
  if (usedMs >= nowMs - NOTE_USE_MS) return true;
  const noted = await write(
    session,
    'UPDATE templates SET used_ms = GREATEST(used_ms, ?) WHERE id = ?',
    [nowMs, id],
  );
  return noted.affectedRows === 1;
}

interface ScatterColumns {
  name: string;
  tags: Record<string, string>;
  size: number;
}

/** Returns its id. */
export async function insertScatter(
  session: Session,
  { owner, nowMs }: Origin,
  scatter: ScatterColumns,
): Promise<number> {
  const { insertId } = await write(
    session,
    'INSERT INTO scatters (owner, name, size, tags, created_ms) VALUES (?, ?, ?, ?, ?)',
    [owner, scatter.name, scatter.size, JSON.stringify(scatter.tags), nowMs],
  );
  return insertId;
}

/** Writes tasks and their tags, and logs the change. Returns their ids in order. */
export async function insertNewTasks(
  session: Transaction,
  origin: Origin,
  tasks: NewTasks,
  scatterId?: number,
): Promise<number[]> {
  const taskIds: number[] = [];
  for (const part of inParts(taskRows(origin, tasks, scatterId))) {
    const ids = await insertTasks(session, part);
    const from = taskIds.length;
    await insertTags(session, tasks.prepared.slice(from, from + part.length), ids);
    append(taskIds, ids);
  }
  await logChange(session, taskIds, { ended: false });
  return taskIds;
}

/** A row of `tasks`, in the order of `INSERT_TASKS`. */
export const taskRows = (
  origin: Origin,
  { prepared, templateIds }: NewTasks,
  scatterId?: number,
): TaskColumns[] =>
  prepared.map(({ task, template, values, replicate }, position) => [
    origin.owner,
    origin.cacheDomain,
    scatterId ?? null,
    scatterId === undefined ? null : position,
    task.name,
    task.description,
    JSON.stringify(task.tags),
    templateIds.get(template) ?? null,
    JSON.stringify(values),
    task.cache,
    task.merge ?? 'on',
    replicate,
    task.profile,
    task.warnings && task.warnings.length > 0 ? JSON.stringify(task.warnings) : null,
    'cache-check',
    origin.nowMs,
    origin.dueMs,
    origin.nowMs,
  ]);

type TaskColumns = readonly (string | number | null | Verbatim)[];

export const tasksStatement = (rows: readonly TaskColumns[]): Statement => ({
  sql: `INSERT INTO tasks (owner, cache_domain, scatter_id, scatter_row, name, description, tags,
      template_id, slot_values,
       cache, merge, replicate, profile, warnings, place, moved_ms, due_ms, created_ms) VALUES ?`,
  values: [rows],
});

async function insertTasks(session: Session, rows: readonly TaskColumns[]): Promise<number[]> {
  const { sql, values } = tasksStatement(rows);
  const { insertId } = await write(session, sql, [...values]);
  return consecutiveIds(session, insertId, rows.length);
}

/**
 * The ids of one multi-row INSERT: InnoDB assigns them in order, one step apart (the step is 1,
 * except in multi-primary clusters).
 */
async function consecutiveIds(session: Session, first: number, count: number): Promise<number[]> {
  const read =
    count > 1
      ? await selectFirst<{ step: number }>(session, 'SELECT @@auto_increment_increment AS step')
      : undefined;
  return idsFrom(first, read?.step ?? 1, count);
}

export const idsFrom = (first: number, step: number, count: number): number[] =>
  Array.from({ length: count }, (_, position) => first + position * step);

async function insertTags(
  session: Session,
  tasks: readonly PreparedTask[],
  ids: readonly number[],
): Promise<void> {
  for (const { sql, values } of tagStatements(tasks, (position) => ids[position] ?? 0))
    await write(session, sql, [...values]);
}

export function tagStatements(
  tasks: readonly PreparedTask[],
  idOf: (position: number) => number | Verbatim,
): Statement[] {
  const rows = tasks.flatMap(({ task }, position) =>
    Object.entries(task.tags).map(([tagKey, tagValue]) => [tagKey, tagValue, idOf(position)]),
  );
  return inParts(rows).map((part) => ({
    sql: 'INSERT INTO task_tags (tag_key, tag_value, task_id) VALUES ?',
    values: [part],
  }));
}
