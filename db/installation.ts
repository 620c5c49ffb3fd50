/** The installation that this database is, and the lease by which it acts. */
import { randomBytes } from 'node:crypto';
import { SECRET_BYTES } from '../core/submission/proof.ts';
import type { LeaseFacts } from '../core/installation/lease.ts';
import { inTransaction, type Database, type Session } from './client.ts';
import { fromJson, selectFirst, write } from './rows.ts';

export interface InstallationRow extends LeaseFacts {
  secret: Buffer;
  renewedMs: number;
  /** Why the fleet stopped; null while it may act. */
  stopReason: string | null;
}

/** The first caller draws its id. */
export async function readInstallation(session: Session): Promise<InstallationRow> {
  const found = await findInstallation(session);
  if (found) return found;
  await write(
    session,
    `INSERT IGNORE INTO installation (one, id, secret, epoch, issued, renewals, renewed_ms)
      VALUES (1, ?, ?, 1, '[]', 0, 0)`,
    [drawInstallation(), randomBytes(SECRET_BYTES)],
  );
  const drawn = await findInstallation(session);
  if (!drawn) throw new Error('The row of the installation is missing right after it was written.');
  return drawn;
}

export const drawInstallation = (): string => randomBytes(8).toString('hex');

async function findInstallation(session: Session): Promise<InstallationRow | undefined> {
  const row = await selectFirst<Omit<InstallationRow, 'issued'> & { issued: string }>(
    session,
    `SELECT id AS installation, secret, epoch, work_url AS workUrl, issued, renewals,
       renewed_ms AS renewedMs, stop_reason AS stopReason
     FROM installation WHERE one = 1`,
  );
  return row && { ...row, issued: fromJson<string[]>(row.issued) };
}

/**
 * Names this database on its server. It stays the same over restarts; after a failover, and in a
 * copy, it is another.
 */
export async function readHolder(session: Session): Promise<string> {
  const row = await selectFirst<{ holder: string }>(
    session,
    `SELECT CONCAT_WS(' ', @@hostname, @@datadir, DATABASE()) AS holder`,
  );
  return row?.holder ?? '';
}

/**
 * Commits a nonce before it is written to the bucket. False when another process renews, or the
 * fleet was stopped.
 */
export async function issueNonce(
  session: Session,
  { renewals }: Pick<InstallationRow, 'renewals'>,
  issued: { nonces: readonly string[]; workUrl: string },
): Promise<boolean> {
  const result = await write(
    session,
    `UPDATE installation SET issued = ?, work_url = ?, renewals = renewals + 1
      WHERE one = 1 AND renewals = ? AND stop_reason IS NULL`,
    [JSON.stringify(issued.nonces), issued.workUrl, renewals],
  );
  return result.affectedRows === 1;
}

/** The lease reached the bucket: until the next renewal is due, no process writes it. */
export async function noteRenewed(session: Session, nowMs: number): Promise<void> {
  await write(session, 'UPDATE installation SET renewed_ms = ? WHERE one = 1', [nowMs]);
}

/** Every process of the fleet stops. False when the row has changed since it was read. */
export async function stopInstallation(
  session: Session,
  { renewals }: Pick<InstallationRow, 'renewals'>,
  reason: string,
): Promise<boolean> {
  const result = await write(
    session,
    'UPDATE installation SET stop_reason = ?, renewals = renewals + 1 WHERE one = 1 AND renewals = ?',
    [reason, renewals],
  );
  return result.affectedRows === 1;
}

interface Restored {
  epoch: number;
  nonce: string;
  workUrl: string;
  nowMs: number;
}

/**
 * Starts a new epoch: the fleet may act again, and every open submission is in doubt, so that its
 * job is looked up by name before SubmitJob is called. Returns how many are.
 */
export function raiseEpoch(database: Database, restored: Restored): Promise<number> {
  return inTransaction(database, async (session) => {
    await write(
      session,
      `UPDATE installation SET epoch = ?, issued = ?, work_url = ?, renewals = renewals + 1,
        renewed_ms = ?, stop_reason = NULL WHERE one = 1`,
      [restored.epoch, JSON.stringify([restored.nonce]), restored.workUrl, restored.nowMs],
    );
    const doubted = await write(
      session,
      `UPDATE submissions SET state = 'calling', called_ms = ?, due_ms = ?, calls = calls + 1
        WHERE state IN ('packed', 'calling')`,
      [restored.nowMs, restored.nowMs],
    );
    return doubted.affectedRows;
  });
}

/** A process that started before the lease had its new epoch may have stopped the fleet again. */
export async function resumeInstallation(session: Session, nowMs: number): Promise<void> {
  await write(session, 'UPDATE installation SET stop_reason = NULL, renewed_ms = ? WHERE one = 1', [
    nowMs,
  ]);
}

/**
 * Makes a copy an installation of its own. What is unfinished belongs to the original, which runs
 * it: here it is cancelled. It has no webhooks: those that listen to the original would be told twice.
 * Returns how many tasks were cancelled.
 */
export function becomeCopy(
  database: Database,
  copy: { installation: string; nowMs: number },
): Promise<number> {
  return inTransaction(database, async (session) => {
    const { nowMs } = copy;
    await write(
      session,
      `UPDATE installation SET id = ?, secret = ?, epoch = 1, issued = '[]', work_url = NULL,
        renewals = renewals + 1, renewed_ms = 0, stop_reason = NULL WHERE one = 1`,
      [copy.installation, randomBytes(SECRET_BYTES)],
    );
    await write(
      session,
      `UPDATE attempts SET outcome = 'cancelled', ended_ms = ? WHERE outcome IS NULL`,
      [nowMs],
    );
    await write(
      session,
      `UPDATE submissions SET state = 'ended', open = 0, ended_ms = ?, due_ms = NULL WHERE state <> 'ended'`,
      [nowMs],
    );
    await write(session, 'DELETE FROM cache_flights');
    await write(session, 'DELETE FROM webhook_deliveries WHERE ended_ms IS NULL');
    await write(session, 'DELETE FROM webhooks');
    await write(session, 'UPDATE templates SET script_sha256 = NULL, blocked = NULL');
    await write(
      session,
      `UPDATE job_definitions SET revision = NULL, claimed_until_ms = 0, registered_ms = NULL,
        registrations = 0, unknown_ms = NULL`,
    );
    const cancelled = await write(
      session,
      `UPDATE tasks SET place = 'cancelled', moved_ms = ?, ended_ms = ?, due_ms = NULL,
        waits_for = NULL WHERE ended_ms IS NULL`,
      [nowMs, nowMs],
    );
    return cancelled.affectedRows;
  });
}
