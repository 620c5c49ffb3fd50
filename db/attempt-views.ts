/** What callers see of attempts. */
import type { StoredRecord } from '../core/result/result.ts';
import type { AttemptOutcome } from '../core/retry/attempt-outcomes.ts';
import type { AwsWait } from '../core/waiting/aws-waits.ts';
import { storedResult } from './attempts.ts';
import type { Session } from './client.ts';
import { known, select } from './rows.ts';

export interface AttemptView {
  taskId: number;
  /** From 1. */
  number: number;
  arrayIndex: number;
  submissionKey: string;
  /** Whose objects its logs are, with the installation. */
  owner: string;
  installation: string;
  /** Attempts in its submission. 1 is a single job. */
  submissionSize: number;
  /** Batch job queue, by name or ARN. */
  queue: string;
  jobId?: string;
  createdMs: number;
  submittedMs?: number;
  /** When its container started, as far as that was seen. */
  startedMs?: number;
  endedMs?: number;
  /** What AWS does so that it waits: in which words, what kind, and since when. */
  waitingReason?: string;
  waitingFor?: AwsWait;
  waitingMs?: number;
  submissionId: number;
  outcome?: AttemptOutcome;
  exitCode?: number;
  reason?: string;
  result?: StoredRecord;
  /** Batch's own attempt number, from 1. */
  batchAttempt?: number;
}

/** The latest attempt of each task first. */
export async function readAttempts(
  session: Session,
  taskIds: readonly number[],
): Promise<AttemptView[]> {
  if (taskIds.length === 0) return [];
  const rows = await select<AttemptRow>(
    session,
    `SELECT a.task_id AS taskId, a.number, a.array_index AS arrayIndex, a.created_ms AS createdMs,
       a.ended_ms AS endedMs, a.outcome, a.exit_code AS exitCode, a.reason, a.result,
       a.batch_attempt AS batchAttempt, s.submission_key AS submissionKey,
       s.owner, s.installation,
       s.size AS submissionSize, s.queue, s.job_id AS jobId, s.submitted_ms AS submittedMs,
       a.started_ms AS startedMs, s.id AS submissionId, s.waiting_reason AS waitingReason,
       s.waiting_for AS waitingFor, s.waiting_ms AS waitingMs
     FROM attempts a JOIN submissions s ON s.id = a.submission_id
     WHERE a.task_id IN (?) ORDER BY a.task_id, a.number DESC`,
    [taskIds],
  );
  return rows.map(toAttempt);
}

interface AttemptRow {
  taskId: number;
  number: number;
  arrayIndex: number;
  submissionKey: string;
  owner: string;
  installation: string;
  submissionSize: number;
  queue: string;
  jobId: string | null;
  createdMs: number;
  submittedMs: number | null;
  startedMs: number | null;
  endedMs: number | null;
  waitingReason: string | null;
  waitingFor: AwsWait | null;
  waitingMs: number | null;
  submissionId: number;
  outcome: AttemptOutcome | null;
  exitCode: number | null;
  reason: string | null;
  result: string | null;
  batchAttempt: number | null;
}

function toAttempt(row: AttemptRow): AttemptView {
  return {
    taskId: row.taskId,
    number: row.number,
    arrayIndex: row.arrayIndex,
    submissionKey: row.submissionKey,
    owner: row.owner,
    installation: row.installation,
    submissionSize: row.submissionSize,
    queue: row.queue,
    createdMs: row.createdMs,
    ...known('jobId', row.jobId),
    ...known('submittedMs', row.submittedMs),
    ...known('startedMs', row.startedMs),
    ...known('endedMs', row.endedMs),
    submissionId: row.submissionId,
    ...known('waitingReason', row.waitingReason),
    ...known('waitingFor', row.waitingFor),
    ...known('waitingMs', row.waitingMs),
    ...known('outcome', row.outcome),
    ...known('exitCode', row.exitCode),
    ...known('reason', row.reason),
    ...known('result', (row.result === null ? undefined : storedResult(row.result)) ?? null),
    ...known('batchAttempt', row.batchAttempt),
  };
}
