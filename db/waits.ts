/** Parts of statements and rows that tell why a task waits: see core/waiting/waiting.ts. */
import { publicId } from '../core/ids.ts';
import type { AwsWait } from '../core/waiting/aws-waits.ts';
import type { WaitingFacts, WaitingSubmission } from '../core/waiting/waiting.ts';
import type { Session } from './client.ts';
import { select } from './rows.ts';

/** The equal task that a task `t` waits for. */
export const LEADER_JOIN = `LEFT JOIN tasks l ON t.place = 'cache-check' AND l.id = t.waits_for`;
export const LEADER = `l.id AS leaderId, l.created_ms AS leaderCreatedMs,
  l.owner = t.owner AS leaderIsOwn`;

/** An owner is not told the ids of others' tasks. */
export const toLeader = ({
  leaderId,
  leaderCreatedMs,
  leaderIsOwn,
}: {
  leaderId: number | null;
  leaderCreatedMs: number | null;
  leaderIsOwn: number | null;
}): WaitingFacts['leader'] | null =>
  leaderId === null || leaderCreatedMs === null
    ? null
    : leaderIsOwn === 1
      ? { id: publicId('task', { id: leaderId, createdMs: leaderCreatedMs }) }
      : {};

export const toAwsWait = ({
  waitingFor,
  waitingReason,
  waitingMs,
}: {
  waitingFor: AwsWait | null;
  waitingReason: string | null;
  waitingMs: number | null;
}): WaitingSubmission['aws'] | null =>
  waitingFor === null || waitingReason === null || waitingMs === null
    ? null
    : { for: waitingFor, sinceMs: waitingMs, words: waitingReason };

export interface LinePlace {
  id: number;
  size: number;
  unstarted: number;
}

/** Running submissions of a job queue, oldest first, and how many of each Batch has not started. */
export async function readLine(session: Session, queue: string): Promise<LinePlace[]> {
  return select(
    session,
    `SELECT id, size, COALESCE(unstarted, open) AS unstarted FROM submissions
      WHERE state = 'running' AND queue = ? ORDER BY id`,
    [queue],
  );
}
