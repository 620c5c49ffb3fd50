/** Webhooks and their deliveries. */
import type { DeliveryState, NewDelivery, WebhookWants } from '../core/notify/webhooks.ts';
import { readChangesKept } from './changes.ts';
import { inTransaction, type Database, type Session, type Transaction } from './client.ts';
import { fromJson, select, selectFirst, write } from './rows.ts';
import { clip, inParts } from './statement-size.ts';

export interface WebhookRow {
  id: number;
  owner: string;
  url: string;
  wants: WebhookWants;
  salt: Buffer;
  createdMs: number;
}

const COLUMNS = 'id, owner, url, wants, salt, created_ms AS createdMs';

type StoredWebhook = Omit<WebhookRow, 'wants'> & { wants: string };

const toWebhook = ({ wants, ...row }: StoredWebhook): WebhookRow => ({
  ...row,
  wants: fromJson<WebhookWants>(wants),
});

/** Returns its id. */
export async function insertWebhook(
  session: Session,
  { owner, url, wants, salt, createdMs }: Omit<WebhookRow, 'id'>,
): Promise<number> {
  const result = await write(
    session,
    'INSERT INTO webhooks (owner, url, wants, salt, created_ms) VALUES (?, ?, ?, ?, ?)',
    [owner, url, JSON.stringify(wants), salt, createdMs],
  );
  return result.insertId;
}

/** Newest first. Without an owner, those of all owners. */
export async function readWebhooks(session: Session, owner?: string): Promise<WebhookRow[]> {
  const rows = await select<StoredWebhook>(
    session,
    `SELECT ${COLUMNS} FROM webhooks ${owner === undefined ? '' : 'WHERE owner = ?'}
      ORDER BY id DESC`,
    [owner],
  );
  return rows.map(toWebhook);
}

export async function readWebhook(
  session: Session,
  { owner, id }: { owner: string; id: number },
): Promise<WebhookRow | undefined> {
  const row = await selectFirst<StoredWebhook>(
    session,
    `SELECT ${COLUMNS} FROM webhooks WHERE owner = ? AND id = ?`,
    [owner, id],
  );
  return row && toWebhook(row);
}

/** Deletes it with its deliveries. */
export async function deleteWebhook(database: Database, id: number): Promise<void> {
  await inTransaction(database, async (session) => {
    await write(session, 'DELETE FROM webhooks WHERE id = ?', [id]);
    await write(session, 'DELETE FROM webhook_deliveries WHERE webhook_id = ?', [id]);
  });
}

/** A delivery that already exists under the same subject stays as it is. */
export async function insertDeliveries(
  session: Session,
  deliveries: readonly NewDelivery[],
  nowMs: number,
): Promise<void> {
  for (const part of inParts(
    deliveries.map(({ webhookId, subject, body }) => [
      webhookId,
      subject,
      body,
      'pending',
      nowMs,
      nowMs,
    ]),
  )) {
    await write(
      session,
      `INSERT IGNORE INTO webhook_deliveries (webhook_id, subject, body, state, due_ms, created_ms)
        VALUES ?`,
      [part],
    );
  }
}

const READER = 'webhooks';

/**
 * A new reader begins with future changes. Call it before the transaction that locks the reader: an
 * insert of an existing row takes a lock, too, and would wait for it.
 */
export async function startReader(session: Session): Promise<void> {
  const { newest } = await readChangesKept(session);
  await write(session, 'INSERT IGNORE INTO change_readers (reader, up_to) VALUES (?, ?)', [
    READER,
    newest,
  ]);
}

/**
 * The position up to which the log was read, locked until the transaction ends. Undefined while
 * another process reads.
 */
export async function lockReader(transaction: Transaction): Promise<number | undefined> {
  const row = await selectFirst<{ upTo: number }>(
    transaction,
    'SELECT up_to AS upTo FROM change_readers WHERE reader = ? FOR UPDATE SKIP LOCKED',
    [READER],
  );
  return row?.upTo;
}

export async function moveReader(transaction: Transaction, upTo: number): Promise<void> {
  await write(transaction, 'UPDATE change_readers SET up_to = ? WHERE reader = ?', [upTo, READER]);
}

export interface ClaimedDelivery {
  id: number;
  body: string;
  /** Includes this one. */
  tries: number;
  webhook: WebhookRow;
}

interface DueDelivery {
  id: number;
  webhookId: number;
  body: string;
  tries: number;
}

/**
 * Takes deliveries that are due, oldest first. Other processes may take them again at
 * `leasedUntilMs` unless they are settled by then.
 */
export function claimDeliveries(
  database: Database,
  { nowMs, leasedUntilMs, most }: { nowMs: number; leasedUntilMs: number; most: number },
): Promise<ClaimedDelivery[]> {
  return inTransaction(database, async (session) => {
    const rows = await select<DueDelivery>(
      session,
      `SELECT id, webhook_id AS webhookId, body, tries + 1 AS tries FROM webhook_deliveries
        WHERE due_ms <= ? ORDER BY due_ms LIMIT ? FOR UPDATE SKIP LOCKED`,
      [nowMs, most],
    );
    if (rows.length === 0) return [];
    await write(
      session,
      'UPDATE webhook_deliveries SET tries = tries + 1, due_ms = ? WHERE id IN (?)',
      [leasedUntilMs, rows.map((row) => row.id)],
    );
    const hooks = await select<StoredWebhook>(
      session,
      `SELECT ${COLUMNS} FROM webhooks WHERE id IN (?)`,
      [rows.map((row) => row.webhookId)],
    );
    const byId = new Map(hooks.map((row) => [row.id, toWebhook(row)]));
    return rows.flatMap((row): ClaimedDelivery[] => {
      const webhook = byId.get(row.webhookId);
      return webhook ? [{ id: row.id, body: row.body, tries: row.tries, webhook }] : [];
    });
  });
}

interface DeliveryTry {
  state: DeliveryState;
  outcome: string;
  /** When to try again; null at the end. */
  dueMs: number | null;
  endedMs: number | null;
}

/** Records the outcome of a try. Only the process that made the latest try can. */
export async function settleDelivery(
  session: Session,
  { id, tries }: Pick<ClaimedDelivery, 'id' | 'tries'>,
  { state, outcome, dueMs, endedMs }: DeliveryTry,
): Promise<void> {
  await write(
    session,
    `UPDATE webhook_deliveries SET state = ?, outcome = ?, due_ms = ?, ended_ms = ?
      WHERE id = ? AND tries = ?`,
    [state, clip(outcome), dueMs, endedMs, id, tries],
  );
}

/** Postpones all deliveries to a receiver that does not answer. */
export async function postponeDeliveries(
  session: Session,
  webhookId: number,
  dueMs: number,
): Promise<void> {
  await write(
    session,
    `UPDATE webhook_deliveries SET due_ms = ?
      WHERE webhook_id = ? AND state = 'pending' AND due_ms < ?`,
    [dueMs, webhookId, dueMs],
  );
}

export interface DeliveryRow {
  id: number;
  state: DeliveryState;
  tries: number;
  /** The outcome of the last try. Null before the first. */
  outcome: string | null;
  dueMs: number | null;
  createdMs: number;
  endedMs: number | null;
  body: string;
}

interface DeliveryPage {
  webhookId: number;
  state?: DeliveryState | undefined;
  beforeId?: number | undefined;
  limit: number;
}

/** Newest first. */
export async function listDeliveries(
  session: Session,
  { webhookId, state, beforeId, limit }: DeliveryPage,
): Promise<DeliveryRow[]> {
  return select<DeliveryRow>(
    session,
    `SELECT id, state, tries, outcome, due_ms AS dueMs, created_ms AS createdMs,
      ended_ms AS endedMs, body FROM webhook_deliveries
     WHERE webhook_id = ? AND id < ? ${state === undefined ? '' : 'AND state = ?'}
     ORDER BY id DESC LIMIT ?`,
    [
      webhookId,
      beforeId ?? Number.MAX_SAFE_INTEGER,
      ...(state === undefined ? [] : [state]),
      limit,
    ],
  );
}

/**
 * Tries an ended delivery again, at once and with all its tries. False when there is no such
 * delivery.
 */
export async function reviveDelivery(
  session: Session,
  { webhookId, id, nowMs }: { webhookId: number; id: number; nowMs: number },
): Promise<boolean> {
  const result = await write(
    session,
    `UPDATE webhook_deliveries SET state = 'pending', tries = 0, due_ms = ?, ended_ms = NULL
      WHERE webhook_id = ? AND id = ? AND state <> 'pending'`,
    [nowMs, webhookId, id],
  );
  return result.affectedRows === 1;
}

export async function countPending(session: Session): Promise<number> {
  const row = await selectFirst<{ pending: number }>(
    session,
    'SELECT COUNT(*) AS pending FROM webhook_deliveries WHERE due_ms IS NOT NULL',
  );
  return row?.pending ?? 0;
}

/** Deletes up to `most` ended deliveries. Returns how many. */
export async function pruneDeliveries(
  session: Session,
  { beforeMs, most }: { beforeMs: number; most: number },
): Promise<number> {
  const result = await write(session, 'DELETE FROM webhook_deliveries WHERE ended_ms < ? LIMIT ?', [
    beforeMs,
    most,
  ]);
  return result.affectedRows;
}
