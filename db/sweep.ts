/** Rows that stood still too long. Taking them postpones them, so that two sweepers do not send the same twice. */
import type { Stage } from '../core/places.ts';
import { inTransaction, type Database } from './client.ts';
import { select, write } from './rows.ts';

export interface StillTask {
  id: number;
  place: Stage;
  /** Hex; null before its script is staged. */
  shape: string | null;
}

export interface StillSubmission {
  id: number;
  state: 'packed' | 'calling' | 'running';
  queue: string;
}

export interface SweepLimits {
  nowMs: number;
  /** When they are due again. */
  dueMs: number;
  most: number;
}

export function takeStillTasks(
  database: Database,
  { nowMs, dueMs, most }: SweepLimits,
): Promise<StillTask[]> {
  return inTransaction(database, async (session) => {
    const rows = await select<StillTask>(
      session,
      'SELECT id, place, LOWER(HEX(shape)) AS shape FROM tasks WHERE due_ms <= ? ORDER BY due_ms LIMIT ? FOR UPDATE SKIP LOCKED',
      [nowMs, most],
    );
    if (rows.length > 0)
      await write(session, 'UPDATE tasks SET due_ms = ? WHERE id IN (?)', [
        dueMs,
        rows.map((row) => row.id),
      ]);
    return rows;
  });
}

export function takeStillSubmissions(
  database: Database,
  { nowMs, dueMs, most }: SweepLimits,
): Promise<StillSubmission[]> {
  return inTransaction(database, async (session) => {
    const rows = await select<StillSubmission>(
      session,
      'SELECT id, state, queue FROM submissions WHERE due_ms <= ? ORDER BY due_ms LIMIT ? FOR UPDATE SKIP LOCKED',
      [nowMs, most],
    );
    if (rows.length > 0)
      await write(session, 'UPDATE submissions SET due_ms = ? WHERE id IN (?)', [
        dueMs,
        rows.map((row) => row.id),
      ]);
    return rows;
  });
}
