/**
 * Rows that were idle too long. Taking them postpones them, so that two sweepers do not send the
 * same twice.
 */
import type { Stage } from '../core/places.ts';
import { inTransaction, type Database } from './client.ts';
import { select, write } from './rows.ts';

export interface DueTask {
  id: number;
  place: Stage;
  /** Hex; null before its script is staged. */
  shape: string | null;
}

export interface DueSubmission {
  id: number;
  state: 'packed' | 'calling' | 'running';
  queue: string;
}

interface SweepLimits {
  nowMs: number;
  /** When they are due again. */
  dueMs: number;
  most: number;
}

export function takeDueTasks(
  database: Database,
  { nowMs, dueMs, most }: SweepLimits,
): Promise<DueTask[]> {
  return inTransaction(database, async (session) => {
    const rows = await select<DueTask>(
      session,
      `SELECT id, place, LOWER(HEX(shape)) AS shape FROM tasks WHERE due_ms <= ?
        ORDER BY due_ms LIMIT ? FOR UPDATE SKIP LOCKED`,
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

export function takeDueSubmissions(
  database: Database,
  { nowMs, dueMs, most }: SweepLimits,
): Promise<DueSubmission[]> {
  return inTransaction(database, async (session) => {
    const rows = await select<DueSubmission>(
      session,
      `SELECT id, state, queue FROM submissions WHERE due_ms <= ? ORDER BY due_ms LIMIT ?
        FOR UPDATE SKIP LOCKED`,
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
