/** Requests that were answered before, and their answers. */
import type { RequestKey } from '../core/access/idempotency.ts';
import type { Session } from './client.ts';
import { select, write } from './rows.ts';
import type { Statement, Verbatim } from './trips.ts';

interface AnsweredBefore {
  id: number;
  createdMs: number;
}

/** `mine`: not answered yet, and no other transaction can answer it until this one ends. */
export type KeyClaim = 'mine' | 'other-request' | AnsweredBefore;

export interface KeyRow {
  digest: Buffer;
  request: Buffer;
  rowId: number | null;
  rowCreatedMs: number | null;
  /** Of a task: whether it failed or was cancelled. */
  failed: number | null;
}

const ROWS = `SELECT keys_.digest, keys_.request,
    COALESCE(keys_.task_id, keys_.scatter_id) AS rowId,
    COALESCE(tasks.created_ms, scatters.created_ms) AS rowCreatedMs,
    tasks.place IN ('failed', 'cancelled') AS failed
  FROM idempotency_keys AS keys_
    LEFT JOIN tasks ON tasks.id = keys_.task_id
    LEFT JOIN scatters ON scatters.id = keys_.scatter_id`;

/**
 * Claims keys of an owner in a transaction, and waits for a key that another one holds. In the
 * order of the keys.
 */
export async function claimKeys(
  session: Session,
  owner: string,
  keys: readonly RequestKey[],
  nowMs: number,
): Promise<KeyClaim[]> {
  if (keys.length === 0) return [];
  const [claim, read] = claimStatements(owner, keys, nowMs);
  await write(session, claim.sql, [...claim.values]);
  return judgeKeys(keys, await select<KeyRow>(session, read.sql, [...read.values]));
}

/** Two statements: the result of the second goes to `judgeKeys`. */
export function claimStatements(
  owner: string,
  keys: readonly RequestKey[],
  nowMs: number,
): [claim: Statement, read: Statement] {
  // In one order, so that two that claim the same keys do not deadlock.
  const wanted = [
    ...new Map(keys.map((key) => [key.digest.toString('hex'), key])).entries(),
  ].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return [
    {
      sql: 'INSERT IGNORE INTO idempotency_keys (owner, digest, request, created_ms) VALUES ?',
      values: [wanted.map(([, { digest, request }]) => [owner, digest, request, nowMs])],
    },
    {
      sql: `${ROWS} WHERE keys_.owner = ? AND keys_.digest IN (?)`,
      values: [owner, wanted.map(([, { digest }]) => digest)],
    },
  ];
}

/** In the order of the keys. */
export function judgeKeys(keys: readonly RequestKey[], rows: readonly KeyRow[]): KeyClaim[] {
  const found = new Map(rows.map((row) => [row.digest.toString('hex'), row]));
  return keys.map((key) => judgeKey(key, found.get(key.digest.toString('hex'))));
}

function judgeKey(key: RequestKey, row: KeyRow | undefined): KeyClaim {
  if (row?.rowId === undefined || row.rowId === null || row.rowCreatedMs === null) return 'mine';
  const same = row.request.equals(key.request);
  if (!key.chosen && (row.failed === 1 || !same)) return 'mine';
  return same ? { id: row.rowId, createdMs: row.rowCreatedMs } : 'other-request';
}

/** Stores the answer to a claimed key. Call it in the transaction that claimed it. */
export async function answerKey(session: Session, owner: string, answer: KeyAnswer): Promise<void> {
  const { sql, values } = answerStatement(owner, answer);
  await write(session, sql, [...values]);
}

interface KeyAnswer {
  key: RequestKey;
  taskId?: number | Verbatim;
  scatterId?: number;
}

export const answerStatement = (
  owner: string,
  { key, taskId, scatterId }: KeyAnswer,
): Statement => ({
  sql: `UPDATE idempotency_keys SET task_id = ?, scatter_id = ?, request = ?
        WHERE owner = ? AND digest = ?`,
  values: [taskId ?? null, scatterId ?? null, key.request, owner, key.digest],
});

/** Deletes up to `most` keys that were made before a time. Returns how many. */
export async function pruneKeys(
  session: Session,
  { beforeMs, most }: { beforeMs: number; most: number },
): Promise<number> {
  const result = await write(session, 'DELETE FROM idempotency_keys WHERE created_ms < ? LIMIT ?', [
    beforeMs,
    most,
  ]);
  return result.affectedRows;
}
