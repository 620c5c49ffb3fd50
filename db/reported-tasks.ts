/** Tasks as events and webhooks report them. */
import { append } from '../core/append.ts';
import type { ReportedTask } from '../core/notify/task-event.ts';
import { isEnd } from '../core/places.ts';
import type { AwsWait } from '../core/waiting/aws-waits.ts';
import type { WaitingFacts } from '../core/waiting/waiting.ts';
import type { Session } from './client.ts';
import { fromJson, known, select } from './rows.ts';
import { STANDING, STANDING_JOINS, toStanding, type StandingRow } from './task-views.ts';
import { LEADER, LEADER_JOIN, toAwsWait, toLeader } from './waits.ts';

const TOLD_TASKS_PER_READ = 500;

/** In no order, any number of them. */
export async function readReportedTasks(
  session: Session,
  ids: readonly number[],
): Promise<ReportedTask[]> {
  const told: ReportedTask[] = [];
  for (let start = 0; start < ids.length; start += TOLD_TASKS_PER_READ)
    append(told, await readSomeToldTasks(session, ids.slice(start, start + TOLD_TASKS_PER_READ)));
  return told;
}

interface ToldRow extends StandingRow {
  name: string;
  tags: string;
  scatterId: number | null;
  scatterRow: number | null;
  scatterCreatedMs: number | null;
  attempt: number;
  movedMs: number;
  startedMs: number | null;
  hit: number;
  failure: string | null;
  retryMs: number | null;
  leaderId: number | null;
  leaderCreatedMs: number | null;
  leaderIsOwn: number | null;
  queue: string | null;
  packedMs: number | null;
  submittedMs: number | null;
  waitingFor: AwsWait | null;
  waitingReason: string | null;
  waitingMs: number | null;
}

/** Nothing for a task of no scatter. */
function scatterOf({
  scatterId,
  scatterCreatedMs,
  scatterRow,
}: ToldRow): Pick<ReportedTask, 'scatter'> {
  if (scatterId === null || scatterCreatedMs === null || scatterRow === null) return {};
  return { scatter: { id: scatterId, createdMs: scatterCreatedMs, row: scatterRow } };
}

async function readSomeToldTasks(
  session: Session,
  ids: readonly number[],
): Promise<ReportedTask[]> {
  const rows = await select<ToldRow>(
    session,
    `SELECT ${STANDING}, t.name, t.tags, t.scatter_id AS scatterId, t.scatter_row AS scatterRow,
       c.created_ms AS scatterCreatedMs, t.attempt, t.moved_ms AS movedMs,
       a.started_ms AS startedMs, t.hit_entry_id IS NOT NULL AS hit, t.failure,
       t.retry_ms AS retryMs, ${LEADER}, s.queue, s.created_ms AS packedMs,
       s.submitted_ms AS submittedMs, s.waiting_for AS waitingFor,
       s.waiting_reason AS waitingReason, s.waiting_ms AS waitingMs
     FROM tasks t ${STANDING_JOINS} ${LEADER_JOIN}
       LEFT JOIN scatters c ON c.id = t.scatter_id
     WHERE t.id IN (?)`,
    [ids],
  );
  return rows.map((row) => ({
    ...toStanding(row),
    name: row.name,
    tags: fromJson<Record<string, string>>(row.tags),
    attempt: row.attempt,
    sinceMs: row.place === 'poll' ? (row.startedMs ?? row.movedMs) : row.movedMs,
    hit: row.hit === 1,
    ...scatterOf(row),
    ...known('failure', row.failure),
    ...(isEnd(row.place) ? {} : { waits: waitsOf(row) }),
  }));
}

function waitsOf(row: ToldRow): WaitingFacts {
  const { place, movedMs, retryMs } = row;
  return {
    place,
    running: row.running === 1,
    movedMs,
    ...known('retryMs', retryMs),
    ...known('leader', toLeader(row)),
    ...(row.queue !== null &&
      row.packedMs !== null && {
        submission: {
          createdMs: row.packedMs,
          queue: row.queue,
          ...known('submittedMs', row.submittedMs),
          ...known('aws', toAwsWait(row)),
        },
      }),
  };
}
