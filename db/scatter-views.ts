/** What callers see of scatters. Only reads; each is one statement. */
import type { RowDataPacket } from 'mysql2/promise';
import type { ScatterView, StandingCount } from '../core/scatter/scatter-view.ts';
import type { Session } from './client.ts';

const toScatter = (row: RowDataPacket): ScatterView => ({
  id: row['id'],
  owner: row['owner'],
  name: row['name'],
  size: row['size'],
  tags: JSON.parse(row['tags']),
  createdMs: row['created_ms'],
});

export async function readScatter(session: Session, id: number): Promise<ScatterView | undefined> {
  const [rows] = await session.query<RowDataPacket[]>(
    'SELECT id, owner, name, size, tags, created_ms FROM scatters WHERE id = ?',
    [id],
  );
  return rows[0] && toScatter(rows[0]);
}

/** Newest first. */
export async function listScatters(
  session: Session,
  filter: { owner: string; beforeId?: number | undefined; limit: number },
): Promise<ScatterView[]> {
  const [rows] = await session.query<RowDataPacket[]>(
    'SELECT id, owner, name, size, tags, created_ms FROM scatters WHERE owner = ? AND id < ? ORDER BY id DESC LIMIT ?',
    [filter.owner, filter.beforeId ?? Number.MAX_SAFE_INTEGER, filter.limit],
  );
  return rows.map(toScatter);
}

export async function countScatter(session: Session, scatterId: number): Promise<StandingCount[]> {
  const [rows] = await session.query<RowDataPacket[]>(
    `SELECT t.place, t.failure_code, s.running_ms IS NOT NULL AS running, t.hit_entry_id IS NOT NULL AS hit, COUNT(*) AS tasks
     FROM tasks t LEFT JOIN submissions s ON s.id = t.submission_id
     WHERE t.scatter_id = ? GROUP BY t.place, t.failure_code, running, hit`,
    [scatterId],
  );
  return rows.map((row) => ({
    place: row['place'],
    running: row['running'] === 1,
    hit: row['hit'] === 1,
    tasks: Number(row['tasks']),
    ...(row['failure_code'] !== null && { failureCode: row['failure_code'] }),
  }));
}
