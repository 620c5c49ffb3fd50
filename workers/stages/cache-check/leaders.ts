/** Leaders that have ended, and what becomes of the tasks at cache-check that waited for them. */
import {
  commandFailure,
  decideAfterLeader,
  type AfterLeader,
  type EndedLeader,
} from '../../../core/cache/after-leader.ts';
import type { WhyRow } from '../../../core/cache/why.ts';
import { publicId } from '../../../core/ids.ts';
import type { Failure } from '../../../core/retry/failures.ts';
import type { TaskSpec } from '../../../core/task/task.ts';
import { readResults } from '../../../db/attempts.ts';
import { readEndedLeaders } from '../../../db/cache-flights.ts';
import { inTransaction } from '../../../db/client.ts';
import { failedTask, moveTasksEach, type TaskRow } from '../../../db/tasks.ts';
import type { Runtime } from '../../runtime.ts';
import { countFailures } from '../fail-attempts.ts';

interface Checked {
  row: TaskRow;
  fingerprint?: Buffer;
  call?: { spec: TaskSpec };
  /** Present when the task that it waited for has ended. */
  after?: AfterLeader;
}

/** Adds `after` to the tasks whose leader has ended. */
export async function meetLeaders<T extends Checked>(
  runtime: Runtime,
  checked: readonly T[],
): Promise<T[]> {
  const waiting = checked.flatMap(({ row }) => (row.waitsFor === null ? [] : [row]));
  if (waiting.length === 0) return [...checked];
  const leaders = await endedLeaders(runtime, waiting);
  return checked.map((one) => {
    const leader = leaders.get(one.row.waitsFor ?? 0);
    const { row, fingerprint, call } = one;
    if (!leader || !fingerprint || !call) return one;
    const follower = {
      owner: row.owner,
      fingerprint: fingerprint.toString('hex'),
      resources: call.spec.resources,
    };
    return { ...one, after: decideAfterLeader(follower, leader) };
  });
}

/** Whether it waits for an equal task in flight, or has equal tasks wait for it. */
export const boards = ({ row, after }: Checked): boolean =>
  row.merge === 'on' && (after === undefined || after.do === 'check');

/** By id of the row. */
async function endedLeaders(
  runtime: Runtime,
  waiting: readonly TaskRow[],
): Promise<Map<number, EndedLeader>> {
  const { pool } = runtime.database;
  const ids = new Set(waiting.flatMap(({ waitsFor }) => waitsFor ?? []));
  const rows = await readEndedLeaders(pool, [...ids]);
  const failed = rows.filter(({ place }) => place === 'failed');
  const results = await readResults(
    pool,
    failed.map(({ id, attempt }) => ({ taskId: id, number: attempt })),
  );
  const templates = await runtime.templates.read(
    pool,
    rows.map(({ templateId }) => templateId),
  );
  const leaders = new Map<number, EndedLeader>();
  for (const row of rows) {
    const template = templates.get(row.templateId)?.template;
    if (!template) continue;
    const ignored = template.executors.map(({ ignore_error }) => ignore_error === true);
    leaders.set(row.id, {
      id: publicId('task', row),
      place: row.place,
      owner: row.owner,
      fingerprint: row.fingerprint?.toString('hex') ?? '',
      resources: template.resources,
      hadEntry: row.hadEntry === 1,
      commandFailure: commandFailure(row.failureCode, results.get(row.id), ignored),
    });
  }
  return leaders;
}

/** Returns how many were still at cache-check. */
export async function failWithLeaders(
  runtime: Runtime,
  failed: readonly { id: number; owner: string; failure: Failure; why: Partial<WhyRow> }[],
): Promise<number> {
  if (failed.length === 0) return 0;
  const moved = await inTransaction(runtime.database, (session) =>
    moveTasksEach(
      session,
      'fail',
      failed.map(({ id, failure, why }) => ({
        id,
        set: { ...failedTask(id, failure).set, ...why },
      })),
      { nowMs: runtime.nowMs(), dueMs: null },
    ),
  );
  countFailures(runtime, failed);
  return moved;
}
