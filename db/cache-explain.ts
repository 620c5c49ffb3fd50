/** What is needed to tell why tasks hit or missed the cache. Each read is bounded, by an index. */
import type { Place } from '../core/places.ts';
import type { ProfileName } from '../core/profiles/profile-names.ts';
import type { CacheMode } from '../core/task/task.ts';
import type { WhyRow } from '../core/cache/why.ts';
import type { Session } from './client.ts';
import { fromJson, select, selectFirst } from './rows.ts';

export interface CheckedTask extends WhyRow {
  id: number;
  owner: string;
  cacheDomain: string;
  name: string;
  createdMs: number;
  place: Place;
  cache: CacheMode;
  profile: ProfileName;
  templateId: number;
  values: string[];
  scatterId: number | null;
  scatterRow: number | null;
  fingerprint: Buffer | null;
  /** Of the manifest that its tag named. */
  imageDigest: Buffer | null;
  replicate: number;
  waitsFor: number | null;
  hitEntryId: number | null;
  hitMode: 'copy' | 'reference' | null;
  cacheUnkept: string | null;
}

type CheckedRow = Omit<CheckedTask, 'values'> & { slotValues: string };

const COLUMNS = `id, owner, cache_domain AS cacheDomain, name, created_ms AS createdMs, place, cache, profile,
  template_id AS templateId, slot_values AS slotValues, scatter_id AS scatterId, scatter_row AS scatterRow,
  fingerprint, image_digest AS imageDigest, replicate, waits_for AS waitsFor, hit_entry_id AS hitEntryId, hit_mode AS hitMode,
  cache_verdict AS cacheVerdict, cache_reason AS cacheReason, cache_source AS cacheSource,
  cache_subject AS cacheSubject, cache_unkept AS cacheUnkept`;

const toTask = ({ slotValues, ...row }: CheckedRow): CheckedTask => ({
  ...row,
  values: fromJson<string[]>(slotValues),
});

/** In no order. */
export async function readCheckedTasks(
  session: Session,
  ids: readonly number[],
): Promise<CheckedTask[]> {
  if (ids.length === 0) return [];
  const rows = await select<CheckedRow>(session, `SELECT ${COLUMNS} FROM tasks WHERE id IN (?)`, [
    [...new Set(ids)],
  ]);
  return rows.map(toTask);
}

/** A page of a scatter's tasks, by row. */
export async function readCheckedRows(
  session: Session,
  scatterId: number,
  { fromRow, toRow }: { fromRow: number; toRow: number },
): Promise<CheckedTask[]> {
  const first = await firstOfScatter(session, scatterId);
  if (first === undefined) return [];
  const rows = await select<CheckedRow>(
    session,
    `SELECT ${COLUMNS} FROM tasks FORCE INDEX (tasks_scatter)
      WHERE scatter_id = ? AND scatter_row BETWEEN ? AND ? ORDER BY scatter_row`,
    [scatterId, fromRow, toRow],
  );
  return rows.map(toTask);
}

/** The lowest key of its tasks, which are consecutive. */
async function firstOfScatter(session: Session, scatterId: number): Promise<number | undefined> {
  const row = await selectFirst<{ first: number | null }>(
    session,
    'SELECT MIN(id) AS first FROM tasks WHERE scatter_id = ?',
    [scatterId],
  );
  return row?.first ?? undefined;
}

const NEAR_BY_TEMPLATE = 30;
const NEAR_BY_NAME = 30;
/** A row that was put in before shifts the others. */
const ROWS_AROUND = 2;
const SCATTERS_BEFORE = 2;

/**
 * Keys of tasks of the same owner that were accepted before and may be like it: of the same template, then of the same
 * name, newest first. Other tasks of its own scatter are left out. Of earlier scatters, the rows around its own.
 */
export async function findNearby(session: Session, task: CheckedTask): Promise<number[]> {
  const before =
    (task.scatterId === null ? undefined : await firstOfScatter(session, task.scatterId)) ??
    task.id;
  const sameTemplate = await select<Near>(
    session,
    `SELECT id, scatter_id AS scatterId FROM tasks FORCE INDEX (tasks_template)
      WHERE owner = ? AND template_id = ? AND id < ? ORDER BY id DESC LIMIT ?`,
    [task.owner, task.templateId, before, NEAR_BY_TEMPLATE],
  );
  const sameName =
    task.name === ''
      ? []
      : await select<Near>(
          session,
          `SELECT id, scatter_id AS scatterId FROM tasks FORCE INDEX (tasks_name)
            WHERE owner = ? AND name = ? AND id < ? ORDER BY id DESC LIMIT ?`,
          [task.owner, task.name, before, NEAR_BY_NAME],
        );
  const near = [...sameTemplate, ...sameName];
  return [...new Set([...(await rowsLikeIt(session, task, near)), ...near.map(({ id }) => id)])];
}

const RECENT = 30;

/** Keys of the owner's tasks that were accepted just before, newest first. */
export async function findRecent(session: Session, { owner, id }: CheckedTask): Promise<number[]> {
  const rows = await select<{ id: number }>(
    session,
    'SELECT id FROM tasks FORCE INDEX (tasks_owner) WHERE owner = ? AND id < ? ORDER BY id DESC LIMIT ?',
    [owner, id, RECENT],
  );
  return rows.map((row) => row.id);
}

interface Near {
  id: number;
  scatterId: number | null;
}

/** The rows of earlier scatters that have about the number of its own. */
async function rowsLikeIt(
  session: Session,
  { scatterRow }: CheckedTask,
  near: readonly Near[],
): Promise<number[]> {
  const scatters = [...new Set(near.flatMap(({ scatterId }) => scatterId ?? []))];
  if (scatterRow === null || scatters.length === 0) return [];
  const rows = await select<{ id: number }>(
    session,
    'SELECT id FROM tasks WHERE scatter_id IN (?) AND scatter_row BETWEEN ? AND ?',
    [
      scatters.slice(0, SCATTERS_BEFORE),
      Math.max(0, scatterRow - ROWS_AROUND),
      scatterRow + ROWS_AROUND,
    ],
  );
  return rows.map(({ id }) => id);
}

export interface EntryState {
  id: number;
  taskId: number;
  owner: string;
  usable: boolean;
  invalidReason: string | null;
}

/** The entries that tasks wrote, by task. */
export async function readEntriesOf(
  session: Session,
  taskIds: readonly number[],
): Promise<Map<number, EntryState>> {
  if (taskIds.length === 0) return new Map();
  const rows = await select<Omit<EntryState, 'usable'> & { usable: number }>(
    session,
    `SELECT id, task_id AS taskId, owner, usable, invalid_reason AS invalidReason
      FROM cache_entries WHERE task_id IN (?)`,
    [[...new Set(taskIds)]],
  );
  return new Map(rows.map((row) => [row.taskId, { ...row, usable: row.usable === 1 }]));
}
