/**
 * Deletes what is old, in statements of few rows. At READ COMMITTED they lock only the rows that they delete, and each
 * repeats its condition: what became used after it was read stays.
 */
import { inTransaction, type Database, type Session } from './client.ts';
import { fromJson, select, write } from './rows.ts';

/** A statement writes at most this many rows. */
export const ROWS_PER_STEP = 500;
/** With their attempts and tags, these are about `ROWS_PER_STEP` rows. */
const TASKS_PER_STEP = 100;

export interface OldTask {
  id: number;
  createdMs: number;
  endedMs: number | null;
  templateId: number;
  fingerprint: Buffer | null;
  hitEntryId: number | null;
  tags: Record<string, string>;
}

/** The next tasks in the order of their ids, which is about the order in which they were accepted. */
export async function readOldestTasks(session: Session, afterId: number): Promise<OldTask[]> {
  const rows = await select<Omit<OldTask, 'tags'> & { tags: string }>(
    session,
    `SELECT id, created_ms AS createdMs, ended_ms AS endedMs, template_id AS templateId, fingerprint,
       hit_entry_id AS hitEntryId, tags
     FROM tasks WHERE id > ? ORDER BY id LIMIT ?`,
    [afterId, TASKS_PER_STEP],
  );
  return rows.map((row) => ({ ...row, tags: fromJson<Record<string, string>>(row.tags) }));
}

/** Deletes those that ended before a time, with their attempts and tags. Returns how many. */
export function deleteTasks(
  database: Database,
  tasks: readonly OldTask[],
  endedBeforeMs: number,
): Promise<number> {
  const ids = tasks.map(({ id }) => id);
  const tags = tasks.flatMap(({ id, tags: own }) =>
    Object.entries(own).map(([key, value]) => [hex(key), hex(value), id]),
  );
  if (ids.length === 0) return Promise.resolve(0);
  return inTransaction(database, async (session) => {
    const gone = await write(session, 'DELETE FROM tasks WHERE id IN (?) AND ended_ms < ?', [
      ids,
      endedBeforeMs,
    ]);
    await write(session, 'DELETE FROM attempts WHERE task_id IN (?)', [ids]);
    for (let start = 0; start < tags.length; start += ROWS_PER_STEP)
      await write(session, DELETE_TAGS, [JSON.stringify(tags.slice(start, start + ROWS_PER_STEP))]);
    return gone.affectedRows;
  });
}

const hex = (text: string): string => Buffer.from(text).toString('hex');

/** By their whole key: there is no index by task. */
const DELETE_TAGS = `DELETE task_tags FROM JSON_TABLE(?, '$[*]' COLUMNS (k VARCHAR(1024) PATH '$[0]',
    v VARCHAR(2040) PATH '$[1]', task BIGINT UNSIGNED PATH '$[2]')) AS old
  STRAIGHT_JOIN task_tags ON task_tags.tag_key = UNHEX(old.k) AND task_tags.tag_value = UNHEX(old.v)
    AND task_tags.task_id = old.task`;

export interface Walked {
  /** Where the next step begins; undefined when all that is old was looked at. */
  next: number | undefined;
  deleted: number;
}

interface Aged {
  id: number;
  createdMs: number;
}

/** A page in the order of ids, which is about that of creation: behind a page of young rows, all are young. */
function nextOf(page: readonly Aged[], beforeMs: number): number | undefined {
  const last = page.at(-1);
  if (last === undefined || page.length < ROWS_PER_STEP) return undefined;
  return page.every(({ createdMs }) => createdMs >= beforeMs) ? undefined : last.id;
}

/** Submissions that ended before a time and none of whose attempts is left. */
export async function deleteSubmissions(
  session: Session,
  afterId: number,
  beforeMs: number,
): Promise<Walked> {
  const page = await select<Aged & { endedMs: number | null }>(
    session,
    `SELECT id, created_ms AS createdMs, ended_ms AS endedMs FROM submissions
      WHERE id > ? ORDER BY id LIMIT ?`,
    [afterId, ROWS_PER_STEP],
  );
  const ended = page.filter(({ endedMs }) => endedMs !== null && endedMs < beforeMs);
  return {
    next: nextOf(page, beforeMs),
    deleted: await deleteWhere(session, ended, {
      from: 'submissions',
      unused: `state = 'ended' AND NOT EXISTS
        (SELECT 1 FROM attempts WHERE attempts.submission_id = submissions.id)`,
    }),
  };
}

/** Scatters that were made before a time and none of whose tasks is left. */
export async function deleteScatters(
  session: Session,
  afterId: number,
  beforeMs: number,
): Promise<Walked> {
  const page = await select<Aged>(
    session,
    'SELECT id, created_ms AS createdMs FROM scatters WHERE id > ? ORDER BY id LIMIT ?',
    [afterId, ROWS_PER_STEP],
  );
  return {
    next: nextOf(page, beforeMs),
    deleted: await deleteWhere(
      session,
      page.filter(({ createdMs }) => createdMs < beforeMs),
      {
        from: 'scatters',
        unused: 'NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.scatter_id = scatters.id)',
      },
    ),
  };
}

async function deleteWhere(
  session: Session,
  rows: readonly { id: number }[],
  { from, unused }: { from: string; unused: string },
): Promise<number> {
  if (rows.length === 0) return 0;
  const found = await select<{ id: number }>(
    session,
    `SELECT id FROM ${from} WHERE id IN (?) AND ${unused}`,
    [rows.map(({ id }) => id)],
  );
  if (found.length === 0) return 0;
  const gone = await write(session, `DELETE FROM ${from} WHERE id IN (?)`, [
    found.map(({ id }) => id),
  ]);
  return gone.affectedRows;
}

interface UsedTemplate {
  id: number;
  usedMs: number;
}

/** Templates that were last used before a time, in the order of last use, after one of them. */
export function readUnusedTemplates(
  session: Session,
  after: UsedTemplate,
  beforeMs: number,
): Promise<UsedTemplate[]> {
  return select<UsedTemplate>(
    session,
    `SELECT id, used_ms AS usedMs FROM templates
      WHERE used_ms < ? AND (used_ms > ? OR (used_ms = ? AND id > ?)) ORDER BY used_ms, id LIMIT ?`,
    [beforeMs, after.usedMs, after.usedMs, after.id, ROWS_PER_STEP],
  );
}

export async function deleteTemplates(
  session: Session,
  ids: readonly number[],
  beforeMs: number,
): Promise<number> {
  if (ids.length === 0) return 0;
  const gone = await write(session, 'DELETE FROM templates WHERE id IN (?) AND used_ms < ?', [
    ids,
    beforeMs,
  ]);
  return gone.affectedRows;
}

/** Shapes that were last used before a time, and that neither a submission nor a waiting task has. */
export async function deleteShapes(session: Session, beforeMs: number): Promise<number> {
  const rows = await select<{ shape: Buffer }>(
    session,
    `SELECT shape FROM shapes WHERE used_ms < ?
       AND NOT EXISTS (SELECT 1 FROM submissions WHERE submissions.shape = shapes.shape)
       AND NOT EXISTS (SELECT 1 FROM tasks
         WHERE tasks.submission_id IS NULL AND tasks.shape = shapes.shape) LIMIT ?`,
    [beforeMs, ROWS_PER_STEP],
  );
  if (rows.length === 0) return 0;
  const gone = await write(session, 'DELETE FROM shapes WHERE shape IN (?) AND used_ms < ?', [
    rows.map(({ shape }) => shape),
    beforeMs,
  ]);
  return gone.affectedRows;
}

/** Definitions that Batch does not know (any more), that were last used before a time and that no shape names. */
export async function deleteDefinitions(session: Session, beforeMs: number): Promise<number> {
  const rows = await select<{ id: number }>(
    session,
    `SELECT id FROM job_definitions WHERE revision IS NULL AND last_used_ms < ? AND NOT EXISTS
       (SELECT 1 FROM shapes WHERE shapes.job_definition_id = job_definitions.id) LIMIT ?`,
    [beforeMs, ROWS_PER_STEP],
  );
  if (rows.length === 0) return 0;
  const gone = await write(
    session,
    'DELETE FROM job_definitions WHERE id IN (?) AND revision IS NULL AND last_used_ms < ?',
    [rows.map(({ id }) => id), beforeMs],
  );
  return gone.affectedRows;
}
