/**
 * Tasks as the stages read and move them. The statement of a move holds its guard: only rows still
 * at their place move.
 */
import type { Failure } from '../core/retry/failures.ts';
import {
  isEnd,
  isTold,
  keptBy,
  moves,
  type MoveName,
  type Stage,
  type ToldMove,
} from '../core/places.ts';
import type { ProfileName } from '../core/profiles/profile-names.ts';
import type { CacheMode, MergeMode } from '../core/task/task.ts';
import { logChange } from './changes.ts';
import type { Session, Transaction } from './client.ts';
import { isOneOf } from './id-ranges.ts';
import { fromJson, select, selectFirst, write } from './rows.ts';
import { clip, inParts } from './statement-size.ts';

export interface TaskRow {
  id: number;
  owner: string;
  name: string;
  cacheDomain: string;
  templateId: number;
  values: string[];
  cache: CacheMode;
  merge: MergeMode;
  /** See core/cache/replicates.ts. */
  replicate: number;
  /** The leader that it noted at cache-check. */
  waitsFor: number | null;
  profile: ProfileName;
  fingerprint: Buffer | null;
  inputsRead: Buffer | null;
  imageDigest: Buffer | null;
  hitEntryId: number | null;
  avoidEntryId: number | null;
  cacheReason: string | null;
  cacheSource: number | null;
  submissionId: number | null;
  attempt: number;
  hostLosses: number;
  hostFaults: number;
  memoryGrowths: number;
  transientFailures: number;
  movedMs: number;
  createdMs: number;
}

const COLUMNS = `id, owner, name, cache_domain AS cacheDomain, template_id AS templateId, slot_values AS slotValues, cache, merge, replicate, waits_for AS waitsFor, profile, fingerprint, inputs_read AS inputsRead, image_digest AS imageDigest, hit_entry_id AS hitEntryId, avoid_entry_id AS avoidEntryId,
  cache_reason AS cacheReason, cache_source AS cacheSource,
  submission_id AS submissionId, attempt, host_losses AS hostLosses, host_faults AS hostFaults, memory_growths AS memoryGrowths, transient_failures AS transientFailures, moved_ms AS movedMs, created_ms AS createdMs`;

/** The tasks that are at `stage`. The others have moved on and are left out. */
export async function readTasksAt(
  session: Session,
  stage: Stage,
  ids: readonly number[],
): Promise<TaskRow[]> {
  if (ids.length === 0) return [];
  const these = isOneOf('id', ids);
  const rows = await select<Omit<TaskRow, 'values'> & { slotValues: string }>(
    session,
    `SELECT ${COLUMNS} FROM tasks WHERE ${these.sql} AND place = ?`,
    [...these.values, stage],
  );
  return rows.map(({ slotValues, ...row }) => ({ ...row, values: fromJson<string[]>(slotValues) }));
}

/** Those of the tasks that are at `stage`. */
export async function readIdsAt(
  session: Session,
  stage: Stage,
  ids: readonly number[],
  lock: '' | 'FOR UPDATE' = '',
): Promise<Set<number>> {
  if (ids.length === 0) return new Set();
  const these = isOneOf('id', ids);
  const rows = await select<{ id: number }>(
    session,
    `SELECT id FROM tasks WHERE ${these.sql} AND place = ? ORDER BY id ${lock}`,
    [...these.values, stage],
  );
  return new Set(rows.map(({ id }) => id));
}

/** The same, locked until the transaction ends. */
export const lockTasksAt = (
  session: Session,
  stage: Stage,
  ids: readonly number[],
): Promise<Set<number>> => readIdsAt(session, stage, ids, 'FOR UPDATE');

/** Those that wait to be packed, locked: a task that is packed meanwhile may have a job. */
export async function lockUnpacked(session: Session, ids: readonly number[]): Promise<Set<number>> {
  if (ids.length === 0) return new Set();
  const rows = await select<{ id: number }>(
    session,
    `SELECT id FROM tasks WHERE id IN (?) AND place = 'submit' AND submission_id IS NULL
      ORDER BY id FOR UPDATE`,
    [ids],
  );
  return new Set(rows.map(({ id }) => id));
}

/** Of these tasks, by id. */
export async function readOwners(
  session: Session,
  ids: readonly number[],
): Promise<Map<number, string>> {
  if (ids.length === 0) return new Map();
  const rows = await select<{ id: number; owner: string }>(
    session,
    'SELECT id, owner FROM tasks WHERE id IN (?)',
    [ids],
  );
  return new Map(rows.map(({ id, owner }) => [id, owner]));
}

export interface MoveDetails {
  nowMs: number;
  /** When the sweeper looks at it. Null for an end, or while its submission is watched instead. */
  dueMs: number | null;
}

/**
 * Columns that a move may set besides the place. `hex` columns are passed as hex digits and stored
 * as bytes.
 */
const settable = {
  waitsFor: { column: 'waits_for', type: 'BIGINT', hex: false },
  fingerprint: { column: 'fingerprint', type: 'CHAR(64)', hex: true },
  inputsRead: { column: 'inputs_read', type: 'CHAR(32)', hex: true },
  imageDigest: { column: 'image_digest', type: 'CHAR(64)', hex: true },
  hitEntryId: { column: 'hit_entry_id', type: 'BIGINT', hex: false },
  avoidEntryId: { column: 'avoid_entry_id', type: 'BIGINT', hex: false },
  hitRefusal: { column: 'hit_refusal', type: 'VARCHAR(24)', hex: false },
  cacheVerdict: { column: 'cache_verdict', type: 'VARCHAR(8)', hex: false },
  cacheReason: { column: 'cache_reason', type: 'VARCHAR(24)', hex: false },
  cacheSource: { column: 'cache_source', type: 'BIGINT', hex: false },
  cacheSubject: { column: 'cache_subject', type: 'TEXT', hex: false },
  cacheUnkept: { column: 'cache_unkept', type: 'VARCHAR(24)', hex: false },
  hitMode: { column: 'hit_mode', type: 'VARCHAR(16)', hex: false },
  shape: { column: 'shape', type: 'CHAR(32)', hex: true },
  submissionId: { column: 'submission_id', type: 'BIGINT', hex: false },
  hostLosses: { column: 'host_losses', type: 'INT', hex: false },
  hostFaults: { column: 'host_faults', type: 'INT', hex: false },
  retryMs: { column: 'retry_ms', type: 'BIGINT', hex: false },
  memoryGrowths: { column: 'memory_growths', type: 'INT', hex: false },
  transientFailures: { column: 'transient_failures', type: 'INT', hex: false },
  failureCode: { column: 'failure_code', type: 'VARCHAR(40)', hex: false },
  failure: { column: 'failure', type: 'TEXT', hex: false },
} as const;

/** `tasks.column = …`, from a field of the rows or from a parameter. */
const assign = (field: keyof typeof settable, value: string): string =>
  `tasks.${settable[field].column} = ${settable[field].hex ? `UNHEX(${value})` : value}`;

/** Digests are in hex. */
type Settable = { [K in keyof typeof settable]?: string | number | null };

export interface MovedTask {
  id: number;
  set: Settable;
}

const guard = (move: MoveName) => moves[move].from as readonly string[];

function placeColumns(move: MoveName, details: MoveDetails): [sql: string, values: unknown[]] {
  const { to } = moves[move];
  const stamps = isEnd(to) ? ['ended_ms'] : keptBy(move);
  return [
    [
      'tasks.place = ?, tasks.moved_ms = ?, tasks.due_ms = ?',
      ...stamps.map((stamp) => `tasks.${stamp} = ?`),
    ].join(', '),
    [to, details.nowMs, details.dueMs, ...stamps.map(() => details.nowMs)],
  ];
}

/**
 * A move that callers are notified of is committed together with its entry in the log of changes.
 */
type SessionFor<M extends MoveName> = M extends ToldMove ? Transaction : Session;

/**
 * Moves tasks that all set the same values. Returns how many were still at a place where the move
 * begins.
 */
export async function moveTasks<M extends MoveName>(
  session: SessionFor<M>,
  move: M,
  ids: readonly number[],
  details: MoveDetails,
  set: Settable = {},
): Promise<number> {
  if (ids.length === 0) return 0;
  const [columns, values] = placeColumns(move, details);
  const fields = Object.keys(set) as (keyof Settable)[];
  const sets = [columns, ...fields.map((field) => assign(field, '?'))];
  const these = isOneOf('id', ids);
  const result = await write(
    session,
    `UPDATE tasks SET ${sets.join(', ')} WHERE ${these.sql} AND place IN (?)`,
    [...values, ...fields.map((field) => set[field] ?? null), ...these.values, guard(move)],
  );
  await logMove(session, move, { ids, moved: result.affectedRows });
  return result.affectedRows;
}

/** Logs also those that did not move: readers of the log look up the present place. */
async function logMove<M extends MoveName>(
  session: SessionFor<M>,
  move: M,
  { ids, moved }: { ids: readonly number[]; moved: number },
): Promise<void> {
  // SessionFor gives such a move a transaction.
  if (moved > 0 && isTold(move))
    await logChange(session as Transaction, ids, { ended: isEnd(moves[move].to) });
}

/**
 * Up to this many kinds of tasks are moved kind by kind: a plain update takes about half the time of
 * one that reads its values from JSON (12 against 20 µs a row).
 */
const FEW_KINDS = 3;

/**
 * Moves tasks, each with its own values. All set the same fields. Returns how many were still at a
 * place where the move begins.
 */
export async function moveTasksEach<M extends MoveName>(
  session: SessionFor<M>,
  move: M,
  tasks: readonly MovedTask[],
  details: MoveDetails,
): Promise<number> {
  const kinds = Map.groupBy(tasks, ({ set }) => JSON.stringify(set));
  if (kinds.size > FEW_KINDS) return moveFromJson(session, move, tasks, details);
  let moved = 0;
  for (const [first, ...others] of kinds.values()) {
    if (first)
      moved += await moveTasks(
        session,
        move,
        [first, ...others].map(({ id }) => id),
        details,
        first.set,
      );
  }
  return moved;
}

async function moveFromJson<M extends MoveName>(
  session: SessionFor<M>,
  move: M,
  tasks: readonly MovedTask[],
  details: MoveDetails,
): Promise<number> {
  const fields = (Object.keys(tasks[0]?.set ?? {}) as (keyof Settable)[]).toSorted();
  const [columns, values] = placeColumns(move, details);
  const sets = fields.map((field) => assign(field, `moved.${field}`));
  const paths = fields.map(
    (field, position) => `${field} ${settable[field].type} PATH '$[${position + 1}]'`,
  );
  let moved = 0;
  // 1,000 failures of 8,000 characters are more than a statement may have.
  for (const part of inParts(
    tasks.map(({ id, set }) => [id, ...fields.map((field) => set[field] ?? null)]),
  )) {
    const result = await write(
      session,
      `UPDATE tasks JOIN JSON_TABLE(?, '$[*]'
        COLUMNS (id BIGINT PATH '$[0]', ${paths.join(', ')})) AS moved ON moved.id = tasks.id
       SET ${[columns, ...sets].join(', ')} WHERE tasks.place IN (?)`,
      [JSON.stringify(part), ...values, guard(move)],
    );
    moved += result.affectedRows;
  }
  await logMove(session, move, { ids: tasks.map(({ id }) => id), moved });
  return moved;
}

/** The shape (hex) that its attempts are packed by. */
export async function readShapeOfTask(session: Session, id: number): Promise<string | undefined> {
  const row = await selectFirst<{ shape: Buffer | null }>(
    session,
    'SELECT shape FROM tasks WHERE id = ?',
    [id],
  );
  return row?.shape?.toString('hex');
}

/** The rows of a `fail` move. */
export const failedTask = (id: number, failure: Failure): MovedTask => ({
  id,
  set: { failureCode: failure.kind, failure: clip(failure.sentence) },
});

/**
 * Records the leader that each task waits for at cache-check, so that the end of the leader finds
 * it.
 */
export async function noteWaiting(
  session: Session,
  tasks: readonly { id: number; leaderId: number }[],
): Promise<void> {
  for (const [leaderId, waiting] of Map.groupBy(tasks, (one) => one.leaderId)) {
    await write(
      session,
      `UPDATE tasks SET waits_for = ? WHERE id IN (?) AND place = 'cache-check'`,
      [leaderId, waiting.map(({ id }) => id)],
    );
  }
}

/** When the sweeper looks at tasks that wait at a stage on purpose. */
export async function postponeTasks(
  session: Session,
  stage: Stage,
  ids: readonly number[],
  dueMs: number,
): Promise<void> {
  if (ids.length === 0) return;
  await write(session, 'UPDATE tasks SET due_ms = ? WHERE id IN (?) AND place = ?', [
    dueMs,
    ids,
    stage,
  ]);
}

/** Adds warnings to tasks at a stage, before they move. Adding a warning again changes nothing. */
export async function addWarnings(
  session: Session,
  tasks: readonly { id: number; warnings: readonly string[] }[],
  stage: Stage = 'finalize',
): Promise<void> {
  const warned = tasks.flatMap(({ id, warnings }) => warnings.map((warning) => ({ id, warning })));
  for (const [warning, alike] of Map.groupBy(warned, (one) => one.warning)) {
    const text = JSON.stringify(warning);
    await write(
      session,
      `UPDATE tasks SET warnings = JSON_MERGE_PRESERVE(COALESCE(warnings, '[]'), ?)
       WHERE id IN (?) AND place = ? AND NOT JSON_CONTAINS(COALESCE(warnings, '[]'), ?)`,
      [text, alike.map(({ id }) => id), stage, text],
    );
  }
}
