/** What cache hits saved. */
import type { Saved } from '../core/cache/savings.ts';
import type { Session } from './client.ts';
import { select, write } from './rows.ts';

/** Adds to what is known. In the order of the key, so that two callers do not deadlock. */
export async function addSavings(
  session: Session,
  savings: readonly Saved[],
  nowMs: number,
): Promise<void> {
  if (savings.length === 0) return;
  const rows = savings
    .toSorted((a, b) => compareTexts(a.owner, b.owner) || compareTexts(a.name, b.name))
    .map(({ owner, name, hits, vcpuMs, gibMs, copiedBytes }) => [
      owner,
      name,
      hits,
      vcpuMs,
      gibMs,
      copiedBytes,
      nowMs,
    ]);
  await write(
    session,
    `INSERT INTO cache_savings (owner, name, hits, vcpu_ms, gib_ms, copied_bytes, last_hit_ms) VALUES ?
     ON DUPLICATE KEY UPDATE hits = hits + VALUES(hits), vcpu_ms = vcpu_ms + VALUES(vcpu_ms),
       gib_ms = gib_ms + VALUES(gib_ms), copied_bytes = copied_bytes + VALUES(copied_bytes),
       last_hit_ms = VALUES(last_hit_ms)`,
    [rows],
  );
}

const compareTexts = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

export type SavedSum = Omit<Saved, 'owner' | 'name'>;

export interface NamedSaving extends Omit<Saved, 'owner'> {
  lastHitMs: number;
}

/** The names of an owner that saved most vCPU time first. */
export async function readSavings(
  session: Session,
  owner: string,
  limit: number,
): Promise<NamedSaving[]> {
  return select<NamedSaving>(
    session,
    `SELECT name, hits, vcpu_ms AS vcpuMs, gib_ms AS gibMs, copied_bytes AS copiedBytes,
       last_hit_ms AS lastHitMs
     FROM cache_savings WHERE owner = ? ORDER BY vcpu_ms DESC, name LIMIT ?`,
    [owner, limit],
  );
}

/** Of all names of an owner together. */
export async function sumSavings(session: Session, owner: string): Promise<SavedSum> {
  const [row] = await select<SavedSum>(
    session,
    `SELECT CAST(COALESCE(SUM(hits), 0) AS DOUBLE) AS hits, CAST(COALESCE(SUM(vcpu_ms), 0) AS DOUBLE) AS vcpuMs,
       CAST(COALESCE(SUM(gib_ms), 0) AS DOUBLE) AS gibMs, CAST(COALESCE(SUM(copied_bytes), 0) AS DOUBLE) AS copiedBytes
     FROM cache_savings WHERE owner = ?`,
    [owner],
  );
  return row ?? { hits: 0, vcpuMs: 0, gibMs: 0, copiedBytes: 0 };
}
