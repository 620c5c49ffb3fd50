/** What callers see of tasks. Each read is one statement. */
import { publicId } from '../core/ids.ts';
import type { Place } from '../core/places.ts';
import type { ProfileName } from '../core/profiles/profile-names.ts';
import type { CacheMode } from '../core/task/task.ts';
import type { WaitingFacts } from '../core/waiting/waiting.ts';
import type { Session } from './client.ts';
import { fromJson, known, select, selectFirst, selectPrepared } from './rows.ts';
import { LEADER, LEADER_JOIN, toLeader } from './waits.ts';

export interface TaskStanding {
  id: number;
  owner: string;
  createdMs: number;
  place: Place;
  profile: ProfileName;
  /** Whether its own container was seen running. */
  running: boolean;
  /** Whether its submission has not ended. */
  jobOpen: boolean;
  failureCode?: string;
}

/** Columns of tasks `t` and what `STANDING_JOINS` adds that make a `StandingRow`. */
export const STANDING = `t.id, t.owner, t.created_ms AS createdMs, t.profile, t.place,
  t.failure_code AS failureCode, a.started_ms IS NOT NULL AS running,
  s.id IS NOT NULL AND s.ended_ms IS NULL AS jobOpen`;

/** Only a task at poll has an attempt that may run. */
const ATTEMPT_JOIN = `LEFT JOIN attempts a
  ON t.place = 'poll' AND a.task_id = t.id AND a.number = t.attempt`;

export const STANDING_JOINS = `LEFT JOIN submissions s ON s.id = t.submission_id ${ATTEMPT_JOIN}`;

export interface StandingRow {
  id: number;
  owner: string;
  createdMs: number;
  profile: ProfileName;
  place: Place;
  failureCode: string | null;
  running: number;
  /** Null when the task has no submission. */
  jobOpen: number | null;
}

export const toStanding = (row: StandingRow): TaskStanding => ({
  id: row.id,
  owner: row.owner,
  createdMs: row.createdMs,
  profile: row.profile,
  place: row.place,
  running: row.running === 1,
  jobOpen: row.jobOpen === 1,
  ...known('failureCode', row.failureCode),
});

const FROM_STANDING = `SELECT ${STANDING} FROM tasks t ${STANDING_JOINS}`;

/** In no order. Missing ones are left out. */
export async function readStandings(
  session: Session,
  ids: readonly number[],
): Promise<TaskStanding[]> {
  const [only] = ids;
  if (only === undefined) return [];
  if (ids.length === 1) {
    // As a whole number: mysql2 sends numbers as DOUBLE.
    const row = await selectPrepared<StandingRow>(session, `${FROM_STANDING} WHERE t.id = ?`, [
      BigInt(only),
    ]);
    return row ? [toStanding(row)] : [];
  }
  const rows = await select<StandingRow>(session, `${FROM_STANDING} WHERE t.id IN (?)`, [ids]);
  return rows.map(toStanding);
}

/** Public ids by row. */
export async function readTaskIds(
  session: Session,
  ids: readonly number[],
): Promise<Map<number, string>> {
  if (ids.length === 0) return new Map();
  const rows = await select<{ id: number; createdMs: number }>(
    session,
    'SELECT id, created_ms AS createdMs FROM tasks WHERE id IN (?)',
    [ids],
  );
  return new Map(
    rows.map((row) => [row.id, publicId('task', { id: row.id, createdMs: row.createdMs })]),
  );
}

export interface TaskDetail extends TaskStanding {
  name: string;
  description: string;
  tags: Record<string, string>;
  cache: CacheMode;
  cacheDomain: string;
  /** See core/cache/replicates.ts. */
  replicate: number;
  warnings: string[];
  templateId: number;
  values: string[];
  failure?: string;
  /** When it came to its place. */
  movedMs: number;
  /** Why its script cannot be written, and since when. */
  blocked?: string;
  blockedMs?: number;
  /** It is not packed before this time. */
  retryMs?: number;
  /** The equal task that it waits for. */
  leader?: WaitingFacts['leader'];
  hitEntryId?: number;
  /** Whether the outputs of a hit were copied to its own URLs, or are the prior ones. */
  hitMode?: 'copy' | 'reference';
  /** The task of the same owner whose result it is. */
  source?: { id: number; createdMs: number };
  checkedMs?: number;
  stagedMs?: number;
  endedMs?: number;
}

interface DetailRow extends StandingRow {
  name: string;
  description: string;
  tags: string;
  cache: CacheMode;
  cacheDomain: string;
  replicate: number;
  warnings: string | null;
  templateId: number;
  slotValues: string;
  failure: string | null;
  blocked: string | null;
  blockedMs: number | null;
  movedMs: number;
  retryMs: number | null;
  leaderId: number | null;
  leaderCreatedMs: number | null;
  leaderIsOwn: number | null;
  hitEntryId: number | null;
  hitMode: 'copy' | 'reference' | null;
  sourceId: number | null;
  sourceCreatedMs: number | null;
  checkedMs: number | null;
  stagedMs: number | null;
  endedMs: number | null;
}

const sourceOf = ({
  sourceId,
  sourceCreatedMs,
}: DetailRow): NonNullable<TaskDetail['source']> | null =>
  sourceId === null || sourceCreatedMs === null
    ? null
    : { id: sourceId, createdMs: sourceCreatedMs };

/** In no order. Templates are read separately, since many tasks share one. */
export async function readDetails(session: Session, ids: readonly number[]): Promise<TaskDetail[]> {
  if (ids.length === 0) return [];
  const rows = await select<DetailRow>(
    session,
    `SELECT ${STANDING}, t.name, t.description, t.tags, t.cache, t.cache_domain AS cacheDomain,
       t.replicate, t.warnings, t.template_id AS templateId, t.slot_values AS slotValues, t.failure,
       t.hit_entry_id AS hitEntryId, t.hit_mode AS hitMode, t.checked_ms AS checkedMs,
       t.staged_ms AS stagedMs, t.ended_ms AS endedMs,
       t.moved_ms AS movedMs, t.retry_ms AS retryMs, ${LEADER}, tpl.blocked,
       tpl.blocked_ms AS blockedMs, src.id AS sourceId, src.created_ms AS sourceCreatedMs
     FROM tasks t ${STANDING_JOINS} ${LEADER_JOIN}
       LEFT JOIN templates tpl ON t.place = 'stage-script' AND tpl.id = t.template_id
       LEFT JOIN tasks src
         ON t.hit_entry_id IS NOT NULL AND src.id = t.cache_source AND src.owner = t.owner
     WHERE t.id IN (?)`,
    [ids],
  );
  return rows.map((row) => ({
    ...toStanding(row),
    name: row.name,
    description: row.description,
    tags: fromJson<Record<string, string>>(row.tags),
    cache: row.cache,
    cacheDomain: row.cacheDomain,
    replicate: row.replicate,
    warnings: row.warnings === null ? [] : fromJson<string[]>(row.warnings),
    templateId: row.templateId,
    values: fromJson<string[]>(row.slotValues),
    ...known('failure', row.failure),
    movedMs: row.movedMs,
    ...known('blocked', row.blocked),
    ...known('blockedMs', row.blockedMs),
    ...known('retryMs', row.retryMs),
    ...known('leader', toLeader(row)),
    ...known('hitEntryId', row.hitEntryId),
    ...known('hitMode', row.hitMode),
    ...known('source', sourceOf(row)),
    ...known('checkedMs', row.checkedMs),
    ...known('stagedMs', row.stagedMs),
    ...known('endedMs', row.endedMs),
  }));
}

export type HitSource =
  | { state: 'kept'; id: number; createdMs: number }
  /** Deleted since then; `ranMs` is when it ended, where that is still known. */
  | { state: 'deleted'; ranMs: number | null };

/** The task of the same owner whose outputs a hit has; undefined for a task that is not a hit of one. */
export async function readHitSource(session: Session, id: number): Promise<HitSource | undefined> {
  const row = await selectFirst<{
    sourceId: number;
    createdMs: number | null;
    isOwn: number | null;
    ranMs: number | null;
  }>(
    session,
    `SELECT t.cache_source AS sourceId, src.created_ms AS createdMs, src.owner = t.owner AS isOwn,
       e.created_ms AS ranMs
     FROM tasks t
       LEFT JOIN tasks src ON src.id = t.cache_source
       LEFT JOIN cache_entries e ON e.id = t.hit_entry_id
     WHERE t.id = ? AND t.place = 'done' AND t.hit_entry_id IS NOT NULL AND t.cache_source IS NOT NULL`,
    [id],
  );
  if (!row) return undefined;
  if (row.createdMs === null) return { state: 'deleted', ranMs: row.ranMs };
  return row.isOwn === 1
    ? { state: 'kept', id: row.sourceId, createdMs: row.createdMs }
    : undefined;
}
