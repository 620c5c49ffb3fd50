/** Folders of earlier outputs that an owner's role may not read. */
import type { Denial } from '../core/cache/copy-trouble.ts';
import { sha256 } from '../core/ids.ts';
import type { Session } from './client.ts';
import { select, write } from './rows.ts';
import { clip } from './statement-size.ts';

export interface DenialPlace {
  owner: string;
  /** ARN; '' for none. */
  role: string;
  /** URL of bucket and prefix, with its slash. */
  folder: string;
}

export interface NotedDenial extends DenialPlace, Denial {
  reason: string;
}

/** 16 bytes. */
const keyOf = ({ owner, role, folder }: DenialPlace): Buffer =>
  sha256(JSON.stringify([owner, role, folder])).subarray(0, 16);

/** All of these owners: there are none on most days. */
export async function readDenials(
  session: Session,
  owners: readonly string[],
): Promise<NotedDenial[]> {
  if (owners.length === 0) return [];
  return select<NotedDenial>(
    session,
    `SELECT owner, role, folder, reason, since_ms AS sinceMs, probed_ms AS probedMs
     FROM cache_denials WHERE owner IN (?)`,
    [owners],
  );
}

/** One that is noted already keeps its start. */
export async function noteDenial(
  session: Session,
  { reason, ...place }: DenialPlace & { reason: string },
  nowMs: number,
): Promise<void> {
  await write(
    session,
    `INSERT INTO cache_denials (denial_key, owner, role, folder, reason, since_ms, probed_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?)
     ON DUPLICATE KEY UPDATE reason = VALUES(reason), probed_ms = VALUES(probed_ms)`,
    [keyOf(place), place.owner, place.role, place.folder, clip(reason), nowMs, nowMs],
  );
}

/** True for the one that probes now. */
export async function claimProbe(
  session: Session,
  denial: NotedDenial,
  nowMs: number,
): Promise<boolean> {
  const claimed = await write(
    session,
    'UPDATE cache_denials SET probed_ms = ? WHERE denial_key = ? AND probed_ms = ?',
    [nowMs, keyOf(denial), denial.probedMs],
  );
  return claimed.affectedRows === 1;
}

export async function forgetDenial(session: Session, place: DenialPlace): Promise<void> {
  await write(session, 'DELETE FROM cache_denials WHERE denial_key = ?', [keyOf(place)]);
}

/** Those that no hit has met for long. */
export async function pruneDenials(
  session: Session,
  { beforeMs, most }: { beforeMs: number; most: number },
): Promise<void> {
  await write(session, 'DELETE FROM cache_denials WHERE probed_ms < ? LIMIT ?', [beforeMs, most]);
}
