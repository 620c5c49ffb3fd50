/** What callers see of scatters. Each read is one statement. */
import type { Place } from '../core/places.ts';
import type { ScatterView, StandingCount } from '../core/scatter/scatter-view.ts';
import type { AwsWait } from '../core/waiting/aws-waits.ts';
import type { Session } from './client.ts';
import { STANDING_JOINS } from './task-views.ts';
import { fromJson, select, selectFirst } from './rows.ts';

const COLUMNS = 'id, owner, name, size, tags, created_ms AS createdMs';

type ScatterRow = Omit<ScatterView, 'tags'> & { tags: string };

const toScatter = ({ tags, ...row }: ScatterRow): ScatterView => ({
  ...row,
  tags: fromJson<ScatterView['tags']>(tags),
});

export async function readScatter(session: Session, id: number): Promise<ScatterView | undefined> {
  const row = await selectFirst<ScatterRow>(
    session,
    `SELECT ${COLUMNS} FROM scatters WHERE id = ?`,
    [id],
  );
  return row && toScatter(row);
}

/** Newest first. */
export async function listScatters(
  session: Session,
  filter: { owner: string; beforeId?: number | undefined; limit: number },
): Promise<ScatterView[]> {
  const rows = await select<ScatterRow>(
    session,
    `SELECT ${COLUMNS} FROM scatters WHERE owner = ? AND id < ? ORDER BY id DESC LIMIT ?`,
    [filter.owner, filter.beforeId ?? Number.MAX_SAFE_INTEGER, filter.limit],
  );
  return rows.map(toScatter);
}

interface CountedRow {
  place: Place;
  failureCode: string | null;
  running: number;
  equal: number;
  packed: number;
  aws: AwsWait | null;
  hit: number;
  tasks: number;
}

export async function countScatter(session: Session, scatterId: number): Promise<StandingCount[]> {
  const rows = await select<CountedRow>(
    session,
    `SELECT t.place, t.failure_code AS failureCode, a.started_ms IS NOT NULL AS running,
      t.waits_for IS NOT NULL AS equal, s.id IS NOT NULL AS packed, s.waiting_for AS aws,
      t.hit_entry_id IS NOT NULL AS hit, COUNT(*) AS tasks
     FROM tasks t ${STANDING_JOINS}
     WHERE t.scatter_id = ? GROUP BY t.place, t.failure_code, running, hit, equal, packed, aws`,
    [scatterId],
  );
  return rows.map((row) => ({
    place: row.place,
    running: row.running === 1,
    equal: row.equal === 1,
    packed: row.packed === 1,
    aws: row.aws,
    hit: row.hit === 1,
    tasks: row.tasks,
    ...(row.failureCode !== null && { failureCode: row.failureCode }),
  }));
}
